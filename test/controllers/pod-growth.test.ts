import t from 'tap'
import { amountsOfRow, effectiveRow } from '../../src/admission/policy/effective-row.ts'
import { checkPolicy } from '../../src/admission/rules/check-policy.ts'
import type { AgentPod } from '../../src/domain/agent-pod.ts'
import { acceptedPolicy, policy } from '../admission/pod-samples.ts'
import { agentType } from './controller-bed.ts'
import { type PoolBed, refusal, startPoolServers } from './pool-bed.ts'

const { bedFor, indexed } = await startPoolServers(t)

const row = policy.agentTypes[agentType]
const thinPolicy = acceptedPolicy(
  JSON.stringify({ ...policy, agentTypes: { [agentType]: { ...row, thin: { cpu: '5m', memory: '16Mi' } } } }),
)
const { idle = [] } = effectiveRow(agentType, thinPolicy) ?? {}

/** A pool of three idle pods as the webhook makes them, on nodes a, b and a. */
async function thinPool(t: Parameters<typeof bedFor>[0]): Promise<PoolBed> {
  const bed = await bedFor(t, { min: 3, max: 10 })
  bed.policy.current = thinPolicy
  await bed.settle()
  for (const [index, uid] of [...bed.pods.real.keys()].entries())
    bed.pods.change(uid, {
      agentTakes: amountsOfRow(idle),
      nodeName: index === 1 ? 'node-b' : 'node-a',
      readySince: bed.now() - 1_000 + index,
    })
  await bed.reconcile()
  return bed
}

const first = (bed: PoolBed): AgentPod => {
  const [pod] = bed.pods.real.values()
  if (!pod) throw new Error('no pod')
  return pod
}
const resizes = async (bed: PoolBed) =>
  [
    ...(await bed.metrics.registry.metrics()).matchAll(/pod_resizes_total\{.*outcome="([-\w]+)"\} (\d+)/g),
  ].map(([, outcome, count]) => `${outcome} ${count}`)

void t.test('a claimed pod gets its full requests, once, and idle ones stay thin', async (t) => {
  const bed = await thinPool(t)
  t.match(bed.notices.get(agentType)?.thin, { thin: 3, full: 0 })
  const { uid } = first(bed)
  await bed.claim(uid)
  await bed.reconcile()
  await bed.reconcile()
  const written = bed.pods.writes.filter(({ kind }) => kind === 'resize')
  t.match(written, [{ uid, requests: { cpu: '50m', memory: '128Mi' } }])
  t.equal(written.length, 1)
  bed.advance(10_000)
  await bed.reconcile()
  t.equal(bed.pods.of('resize').length, 1)
  t.same(await resizes(bed), ['asked 1', 'full 1'])
  t.match(bed.notices.get(agentType)?.thin, { thin: 2 })
})

void t.test('a lost write is made again: only the pod says whether it is done', async (t) => {
  const bed = await thinPool(t)
  const { uid } = first(bed)
  await bed.claim(uid)
  bed.pods.lag()
  await bed.reconcile()
  bed.advance(6_000)
  await bed.reconcile()
  t.equal(bed.pods.of('resize').length, 2, 'the informer still shows a thin pod')
})

void t.test('a refused resize is told and tried again after a while; the session goes on', async (t) => {
  const bed = await thinPool(t)
  const { uid } = first(bed)
  const session = await bed.claim(uid)
  bed.pods.refuse('resize', refusal('quota', 'exceeded quota: q, requested: requests.cpu=45m'))
  await bed.reconcile()
  await bed.reconcile()
  t.same(await resizes(bed), ['refused 1'])
  t.match(
    bed.reports.filter((report) => report.startsWith('PodResizeRefused')),
    [/quota/],
  )
  t.match(await bed.session(session), { status: 'ACTIVE' })
  bed.pods.refuse('resize', undefined)
  bed.advance(11_000)
  await bed.reconcile()
  t.equal(bed.pods.of('resize').length, 1)
})

for (const state of ['deferred', 'infeasible'] as const) {
  void t.test(`a resize that is ${state}: counted once, told, and its node is taken last`, async (t) => {
    const bed = await thinPool(t)
    const { uid } = first(bed)
    await bed.claim(uid)
    await bed.reconcile()
    bed.pods.change(uid, { resize: { state, message: 'node-a has not enough cpu' } })
    bed.advance(6_000)
    await bed.settle()
    await bed.reconcile()
    t.same(await resizes(bed), ['asked 1', `${state} 1`])
    t.match(bed.notices.get(agentType)?.thin, { [state]: 1 })
    t.match(
      bed.reports.filter((report) => report.startsWith('PodResizePending')),
      [/node-a has not enough cpu/],
    )
    const nodes = (await indexed()).map((one) => bed.pods.real.get(one)?.nodeName)
    t.equal(nodes.at(-1), 'node-a', nodes.join())
    t.equal(nodes[0] === 'node-a', false, 'though its pod is ready longest or as long')
    bed.pods.vanish(uid)
    bed.advance(6_000)
    await bed.reconcile()
    t.equal(bed.pods.of('resize').length, 1)
  })
}

void t.test('a row without thin resizes nothing that is full', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 5 })
  bed.policy.current = policy
  await bed.settle()
  const { uid } = first(bed)
  const resources = effectiveRow(agentType, policy)?.resources ?? []
  bed.pods.change(uid, { agentTakes: amountsOfRow(resources) })
  await bed.claim(uid)
  await bed.reconcile()
  t.equal(bed.pods.of('resize').length, 0)
  t.equal(bed.notices.get(agentType)?.thin, undefined)
  t.ok(checkPolicy(JSON.stringify(policy)).ok)
})

import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import type { AdmissionReport } from '../../src/domain/admission-counts.ts'
import type { PoolChange } from '../../src/domain/pool-change.ts'
import type { PoolHistory } from '../../src/domain/pool-history.ts'
import type { SessionTimeline } from '../../src/domain/session-timeline.ts'
import type { StatusPartName, StatusReport } from '../../src/domain/status-report.ts'
import { createSessionCaller } from './session-caller.ts'

/** What people see and steer, on a whole installation with the rights of the manifests. */

t.setTimeout(240_000)
const bed = await startBed({ pools: poolsDocument({ min: 2, max: 6 }), livekit: true })
const caller = createSessionCaller(bed)
t.teardown(async () => {
  caller.client.close()
  await bed.stop()
})
await caller.untilIdle(2)

async function ask<T>(path: string, body?: object, method = body ? 'POST' : 'GET'): Promise<T> {
  const answer = await fetch(`${bed.apiUrls[0]}${path}`, {
    method,
    headers: { authorization: `Bearer ${bed.apiKey}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  return (await answer.json()) as T
}
const status = () => ask<StatusReport>('/v1/status')
const partOf = ({ parts }: StatusReport, name: StatusPartName) => parts.find(({ part }) => part === name)

void t.test('all is well: every part, the leader, the generations, the totals', async (t) => {
  const well = await until('all to be well', async () => {
    const found = await status()
    return found.state === 'ok' && found
  })
  for (const { part, state } of well.parts) t.equal(state, 'ok', part)
  const lease = await caller.kubectl(
    'get',
    'lease',
    'greenroom-controller',
    '-o',
    'jsonpath={.spec.holderIdentity}',
  )
  t.equal(partOf(well, 'controller')?.leader, lease)
  t.ok((partOf(well, 'webhook-certificate')?.daysLeft ?? 0) > 0)
  for (const part of ['agent-policy', 'agent-pools'] as const) {
    const name = part
    const version = await caller.kubectl(
      'get',
      'configmap',
      name,
      '-o',
      'jsonpath={.metadata.resourceVersion}',
    )
    t.strictSame(partOf(well, part)?.generation, { seen: version, applied: version }, part)
  }
  t.match(well.totals, { pools: 3, idle: 2, claimed: 0, sessions: 0 })
})

void t.test('a session has its timeline, its join included, after its end too', async (t) => {
  const { id } = await caller.open({ participant: { identity: 'ann' } })
  const joined = async () => (await ask<SessionTimeline>(`/v1/sessions/${id}/timeline`)).steps
  await until('the join', async () => (await joined()).some(({ step }) => step === 'agent-joined'))
  await ask(`/v1/sessions/${id}`, undefined, 'DELETE')
  await caller.untilEnded(id)
  const steps = await joined()
  t.same(
    steps.map(({ step }) => step),
    ['reserved', 'committed', 'delivered', 'activated', 'agent-joined', 'ending', 'ended'],
  )
  for (const { step, ms } of steps) if (step !== 'ending') t.ok((ms ?? -1) >= 0, `${step}: ${ms} ms`)
})

void t.test('what admission denied and changed is counted by rule', async (t) => {
  const { code } = await bed.plane.kubectl([
    'run',
    'stranger',
    '-n',
    bed.namespace,
    '--image=nginx',
    '--labels=agent-type=no-such-type',
  ])
  t.not(code, 0, 'the pod is refused')
  const report = await until('the denial', async () => {
    const found = await ask<AdmissionReport>('/v1/admission')
    return found.rows.some(({ denied }) => denied > 0) && found
  })
  t.match(report, { replicas: { asked: 1, answered: 1 }, since: String })
  const denials = report.rows.filter(({ denied }) => denied > 0)
  t.ok(denials.every(({ namespace }) => namespace === bed.namespace))
  t.ok(
    report.rows.some(({ changed }) => changed > 0),
    'the pods of pools were changed',
  )
  t.notMatch(JSON.stringify(report), /nginx|stranger/)
})

void t.test('a pool is resized and frozen in its document, and a pod retired', async (t) => {
  const shown = await ask<PoolChange>('/v1/pools/echo-agent/size', { min: 3, dryRun: true })
  t.match(shown, { changed: false, writable: true, diff: /-    min: 2\n\+    min: 3\n/ })
  t.match(await ask('/v1/pools/echo-agent/size', { min: 7 }), {
    code: 'GRN_INVALID_POOLS',
    detail: /more than max/,
  })
  const made = await ask<PoolChange>('/v1/pools/echo-agent/size', { min: 3 })
  t.equal(made.changed, true)
  await until('the change to be in force', async () => {
    const { body } = await caller.client.pool('echo-agent')
    return (
      (body as unknown as { configuration: { applied: string } }).configuration.applied === made.generation
    )
  })
  await caller.untilIdle(3)
  const [name = ''] = (
    await caller.kubectl(
      'get',
      'pods',
      '-l',
      'greenroom.dev/pool=echo-agent',
      '-o',
      'jsonpath={.items[*].metadata.name}',
    )
  ).split(' ')
  t.match(await ask(`/v1/pools/echo-agent/pods/${name}/retire`, undefined, 'POST'), { pod: name })
  await until('the pod to be gone', async () => {
    const { code } = await bed.plane.kubectl(['get', 'pod', name, '-n', bed.namespace])
    return code !== 0
  })
  await caller.untilIdle(3)
  t.match(await ask('/v1/pools/echo-agent/freeze', undefined, 'POST'), { changed: true })
  t.match(await ask('/v1/pools/echo-agent/thaw', undefined, 'POST'), { changed: true })
  const kept = await until('the audit log', async () => {
    const { entries } = await ask<{ entries: { action: string; detail?: string }[] }>('/v1/audit')
    return entries.some(({ action }) => action === 'pool.thaw') && entries
  })
  t.match(
    kept.find(({ action }) => action === 'pool.size'),
    { subject: 'echo-agent', detail: 'min 2 → min 3' },
  )
  t.ok(kept.some(({ action }) => action === 'pod.retire'))
})

void t.test('the leader has drawn the pools', async (t) => {
  const { points } = await until(
    'a point',
    async () => {
      const found = await ask<PoolHistory>('/v1/pools/echo-agent/history')
      return found.points.length > 0 && found
    },
    90_000,
  )
  t.match(points[0], { idle: Number, claimed: Number, at: /:00\.000Z$/ })
})

void t.test('half of it away: what is wrong is named with a command, and the rest goes on', async (t) => {
  await bed.roles.get('webhook')?.stop()
  await bed.redis.stop()
  const ill = await until('both to be seen', async () => {
    const found = await status()
    return partOf(found, 'redis')?.state !== 'ok' && partOf(found, 'webhook')?.state !== 'ok' && found
  })
  t.match(partOf(ill, 'webhook'), { state: 'unknown', since: String })
  t.match(partOf(ill, 'redis'), { since: String })
  for (const part of ['kubernetes', 'postgresql', 'livekit', 'agent-pools'] as const)
    t.match(partOf(ill, part), { state: 'ok' }, part)
  const codes = ill.problems.map(({ code }) => code)
  for (const code of ['GRN_REDIS_UNAVAILABLE', 'GRN_WEBHOOK_UNAVAILABLE']) t.ok(codes.includes(code), code)
})

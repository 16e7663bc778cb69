import type { V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { unnotedGraceMs } from '../../src/domain/pool-pod.ts'
import { templateHash } from '../../src/domain/slot-pod.ts'
import { GreenroomError } from '../../src/errors.ts'
import { newPod } from '../support/fake-pod-view.ts'
import { agentType, poolsOf } from './controller-bed.ts'
import { type PoolBed, startPoolServers } from './pool-bed.ts'

/** Which pods are the controller's own: what it did not make, or what was changed since, is never offered and goes. */

const { bedFor, indexed } = await startPoolServers(t)

const currentHash = (bed: PoolBed) => {
  const spec = bed.pools.current()?.pools[agentType]
  return spec && templateHash(agentType, spec)
}

/** A warm pod with everything that a pod of the pool has but its note. */
const warm = (bed: PoolBed, uid: string) =>
  newPod({ uid, readySince: bed.now() - 60_000, ip: '127.0.0.9', templateHash: currentHash(bed) })

const refusedPods = async (bed: PoolBed) =>
  (await bed.metrics.foreignPods.get()).values.map(({ labels, value }) => [labels.cause, value])

void t.test(
  'a pod that the controller did not create is never offered, told of once, and deleted',
  async (t) => {
    const bed = await bedFor(t, { min: 2, max: 10 })
    await bed.settle()
    bed.pods.put(warm(bed, 'foreign'))
    t.equal(await bed.reconcile(), unnotedGraceMs, 'the next look is when it counts as foreign')
    t.notOk((await indexed()).includes('foreign'))
    t.strictSame(bed.pods.of('delete'), [], 'another leader may be about to note it')
    bed.advance(unnotedGraceMs)
    await bed.reconcile()
    await bed.reconcile()
    t.strictSame(bed.pods.of('delete'), ['foreign'])
    t.match(
      await bed.ledger.claimsOf(['foreign']),
      new Map([['foreign', { reason: 'not created by the controller' }]]),
    )
    t.same((await indexed()).sort(), ['uid-1', 'uid-2'])
    t.equal(bed.reports.filter((report) => report.startsWith('ForeignPoolPod: ')).length, 1)
    t.equal(bed.lines.filter((line) => line.includes('GRN_POOL_POD_FOREIGN')).length, 1)
    t.same(await refusedPods(bed), [['foreign', 1]])
    t.equal(bed.pods.of('create').length, 2, 'it costs the pool no pod and no back-off')
  },
)

void t.test('foreign pods that die, many at a time, throttle no pool', async (t) => {
  const bed = await bedFor(t, { min: 2, max: 20 })
  await bed.settle()
  for (let n = 0; n < 8; n += 1) {
    bed.pods.put({ ...warm(bed, `foreign-${n}`), deadReason: 'agent container ended' })
    bed.advance(unnotedGraceMs)
    await bed.reconcile()
    await bed.reconcile()
  }
  await bed.claim('uid-1')
  await bed.reconcile()
  t.equal(bed.pods.of('create').length, 3, 'the refill comes at once')
})

void t.test('any number of strangers neither fills the pool nor drives out its own pods', async (t) => {
  const bed = await bedFor(t, { min: 2, max: 4, refill: { inFlight: 2 } })
  for (let n = 0; n < 6; n += 1) bed.pods.put(warm(bed, `stranger-${n}`))
  await bed.settle()
  t.equal(bed.pods.of('create').length, 2, 'they count neither as idle nor as starting nor below max')
  t.same((await indexed()).sort(), ['uid-1', 'uid-2'])
  bed.advance(unnotedGraceMs)
  await bed.settle()
  t.equal(bed.pods.of('delete').length, 6)
  await bed.claim('uid-1')
  await bed.claim('uid-2')
  await bed.settle()
  t.equal(bed.pods.of('create').length, 4, 'also while the strangers are Terminating')
  t.strictSame(
    bed.pods.of('delete').filter((uid) => uid.startsWith('uid')),
    [],
  )
})

void t.test('a frozen pool loses its strangers as well', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 5, frozen: true })
  bed.pods.put(warm(bed, 'foreign'))
  await bed.reconcile()
  bed.advance(unnotedGraceMs)
  await bed.reconcile()
  t.strictSame(bed.pods.of('delete'), ['foreign'])
})

void t.test('an idle pod that somebody changed is replaced, also when it was changed back', async (t) => {
  const bed = await bedFor(t, { min: 3, max: 10 })
  await bed.settle()
  bed.pods.change('uid-1', { specDigest: 'another image' })
  bed.pods.change('uid-2', { specChanged: true })
  await bed.settle()
  t.same(bed.pods.of('delete').sort(), ['uid-1', 'uid-2'])
  t.match(
    await bed.ledger.claimsOf(['uid-1']),
    new Map([['uid-1', { purpose: 'retired', reason: 'changed after it was created' }]]),
  )
  t.equal(bed.reports.filter((report) => report.startsWith('PoolPodChanged: ')).length, 2)
  t.same(await refusedPods(bed), [['changed', 2]])
  t.same((await indexed()).sort(), ['uid-3', 'uid-4', 'uid-5'])
})

void t.test('one that is changed while it starts never becomes ready', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 10 })
  await bed.reconcile()
  bed.pods.change('uid-1', { specDigest: 'another image' })
  bed.pods.ready()
  await bed.reconcile()
  t.notOk((await indexed()).includes('uid-1'))
  t.strictSame(bed.pods.of('delete'), ['uid-1'])
})

void t.test('a claimed pod keeps its session, whatever its origin', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 10 })
  await bed.settle()
  const id = await bed.claim('uid-1')
  bed.pods.change('uid-1', { specDigest: 'an ephemeral container' })
  await bed.settle()
  t.strictSame(bed.pods.of('delete'), [])
  t.equal((await bed.session(id)).status, 'ACTIVE')
})

void t.test('a pod that was moved into another pool by its label belongs to none', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 10 })
  await bed.putMade({ ...warm(bed, 'light'), agentType: 'stella-light' })
  bed.pods.put(warm(bed, 'light'))
  await bed.reconcile()
  t.strictSame(bed.pods.of('delete'), ['light'])
})

void t.test(
  'PostgreSQL is away between create and note: not offered, not lost, noted at the next look',
  async (t) => {
    const bed = await bedFor(t, { min: 2, max: 10 })
    const note = bed.poolPodLedger.note.bind(bed.poolPodLedger)
    bed.poolPodLedger.note = () => Promise.reject(new GreenroomError('GRN_DATABASE_UNAVAILABLE'))
    await t.rejects(bed.reconcile(), { code: 'GRN_DATABASE_UNAVAILABLE' })
    t.equal(bed.pods.of('create').length, 1)
    bed.pods.ready()
    bed.advance(10 * unnotedGraceMs)
    await t.rejects(bed.reconcile(), { code: 'GRN_DATABASE_UNAVAILABLE' })
    t.strictSame(await indexed(), [])
    const made = bed.pods.of('create')
    bed.poolPodLedger.note = note
    await bed.settle()
    t.same((await indexed()).sort(), ['uid-1', 'uid-2'])
    t.ok(made.length > 0)
    t.same(bed.pods.of('create').slice(0, made.length), made)
    t.equal(bed.pods.of('create').length, 2)
    t.strictSame(bed.pods.of('delete'), [])
  },
)

void t.test(
  'killed between create and note: the next leader replaces that pod, and only that one',
  async (t) => {
    const dead = await bedFor(t, { min: 3, max: 10 })
    await dead.settle()
    dead.poolPodLedger.note = () => Promise.reject(new GreenroomError('GRN_DATABASE_UNAVAILABLE'))
    await dead.claim('uid-1')
    await t.rejects(dead.reconcile())
    t.equal(dead.pods.of('create').length, 4)
    const next = await dead.successor()
    await next.settle()
    t.strictSame(next.pods.of('delete'), [], 'it may be noted yet')
    next.advance(unnotedGraceMs)
    await next.settle()
    t.strictSame(next.pods.of('delete'), ['uid-4'])
    t.equal((await indexed()).length, 3)
  },
)

/** The whole object of a pod, as a list gives it. */
function objectOf(uid: string, container: object = {}): V1Pod {
  return { metadata: { uid }, spec: { containers: [{ name: 'agent', image: 'echo', ...container }] } }
}

void t.test(
  'after an upgrade the pods of the old version go on, and what the template did not make goes',
  async (t) => {
    const bed = await bedFor(t, { min: 4, max: 10 })
    await bed.postgres.durable.query('UPDATE pool_pod_notes SET complete_since = NULL')
    for (const uid of ['old-1', 'old-2', 'forged', 'unseen', 'claimed']) bed.pods.put(warm(bed, uid))
    bed.pods.put({ ...warm(bed, 'drifted'), templateHash: 'of another template' })
    bed.pods.objects.push(
      objectOf('old-1'),
      objectOf('old-2', { env: [{ name: 'INJECTED' }] }),
      objectOf('drifted'),
    )
    bed.pods.objects.push(objectOf('forged', { image: 'evil' }), objectOf('claimed', { image: 'whatever' }))
    const id = await bed.claimUnnoted('claimed')
    await bed.reconcile()
    t.match(
      (await bed.poolPodLedger.noted(['old-1', 'old-2', 'forged', 'unseen', 'drifted', 'claimed']))
        .map(({ podUid }) => podUid)
        .sort(),
      ['claimed', 'old-1', 'old-2'],
    )
    t.equal(await bed.poolPodLedger.isComplete(), true)
    t.same((await indexed()).sort(), ['old-1', 'old-2'], 'offered all the time')
    bed.advance(unnotedGraceMs)
    await bed.settle()
    t.same(bed.pods.of('delete').sort(), ['drifted', 'forged', 'unseen'])
    t.equal((await bed.session(id)).status, 'ACTIVE')
    t.equal((await indexed()).length, 4)
  },
)

void t.test('while the pods cannot be listed after an upgrade, nothing is judged', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 10 })
  await bed.postgres.durable.query('UPDATE pool_pod_notes SET complete_since = NULL')
  bed.pods.put(warm(bed, 'old'))
  bed.pods.failLists(new GreenroomError('GRN_KUBERNETES_UNAVAILABLE'))
  await t.rejects(bed.reconcile(), { code: 'GRN_KUBERNETES_UNAVAILABLE' })
  bed.advance(10 * unnotedGraceMs)
  bed.pods.failLists(undefined)
  bed.pods.objects.push(objectOf('old'))
  await bed.settle()
  t.strictSame(await indexed(), ['old'])
  t.strictSame(bed.pods.of('delete'), [])
})

void t.test('a pool that goes is forgotten with its pods', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 10 })
  await bed.settle()
  bed.setPools(poolsOf({ min: 0, max: 1 }, 'other-agent'))
  await bed.settle()
  bed.pods.reap()
  t.equal(await bed.reconcile(), undefined)
})

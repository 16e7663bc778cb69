import t from 'tap'
import { templateHash } from '../../src/domain/slot-pod.ts'
import { indexOn, startDatabase } from '../stores/store-servers.ts'
import { newPod } from '../support/fake-pod-view.ts'
import { agentType, controllerBed, poolsOf } from './controller-bed.ts'
import { type PoolBed, refusal, startPoolServers } from './pool-bed.ts'

/** What a pool is made into, look by look; the writes that fail are in pool-writes-fail.test.ts. */

const { redis, bedFor, indexed } = await startPoolServers(t)

void t.test('fills to min, indexes what is ready, and then rests', async (t) => {
  const bed = await bedFor(t)
  await bed.reconcile()
  t.equal(bed.pods.of('create').length, 1, 'one pod tries the template')
  t.strictSame(await indexed(), [], 'nothing is offered that is not ready')
  bed.pods.ready()
  await bed.reconcile()
  t.equal(bed.pods.of('create').length, 3)
  bed.pods.ready()
  await bed.reconcile()
  t.same((await indexed()).sort(), ['uid-1', 'uid-2', 'uid-3'])
  t.match(bed.published, [{ kind: 'indexed', agentType }])
  await bed.reconcile()
  t.equal(bed.pods.writes.length, 3, 'level-triggered: nothing to do is nothing done')
  t.match(bed.notices.get(agentType), { boundBy: undefined, message: undefined, problem: undefined })
})

void t.test('a view that lags makes no pod twice', async (t) => {
  const bed = await bedFor(t)
  await bed.settle()
  bed.setPools(poolsOf({ min: 6, max: 10 }))
  bed.pods.lag()
  for (let n = 0; n < 5; n += 1) await bed.reconcile()
  t.equal(bed.pods.of('create').length, 6)
  bed.pods.catchUp({ events: false })
  await bed.settle()
  t.equal(bed.pods.of('create').length, 6, 'events lost: the state says it too')
})

void t.test('a pod that came and went before its create was answered holds no place', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 2 })
  bed.pods.lag()
  await bed.reconcile()
  bed.pods.vanish('uid-1')
  bed.poolReconciler.podGone(agentType, 'uid-1')
  await bed.reconcile()
  t.strictSame(bed.pods.of('create'), ['uid-1', 'uid-2'])
})

void t.test('refills on a claim and labels the claimed pod once', async (t) => {
  const bed = await bedFor(t)
  await bed.settle()
  const id = await bed.claim('uid-2')
  bed.pods.lag()
  await bed.reconcile()
  await bed.reconcile()
  t.equal(bed.pods.of('create').length, 4)
  t.strictSame(bed.pods.of('label'), ['uid-2'], 'once, although the view does not show it yet')
  bed.pods.catchUp()
  await bed.settle()
  t.match(bed.pods.real.get('uid-2'), { stateLabel: 'claimed', sessionLabel: id })
  t.strictSame(bed.pods.of('label'), ['uid-2'])
  t.notOk((await indexed()).includes('uid-2'))
  t.strictSame(bed.pods.of('delete'), [])
})

void t.test('surplus is retired oldest first, in the ledger before the API', async (t) => {
  const bed = await bedFor(t, { min: 4, max: 10 })
  for (const [uid, createdAt] of [
    ['b', 2_000],
    ['a', 1_000],
    ['d', 4_000],
    ['c', 3_000],
  ] as const)
    await bed.putMade(
      newPod({ uid, createdAt, readySince: 5_000, ip: '127.0.0.9', templateHash: currentHash(bed) }),
    )
  await bed.reconcile()
  t.equal(bed.pods.writes.length, 0)
  bed.setPools(poolsOf({ min: 2, max: 10 }))
  await bed.reconcile()
  t.same(bed.pods.of('delete').sort(), ['a', 'b'])
  t.match((await bed.ledger.claimsOf(['a'])).get('a'), { purpose: 'retired' })
  t.same((await indexed()).sort(), ['c', 'd'])
  await bed.reconcile()
  t.equal(bed.pods.of('delete').length, 2)
})

void t.test('a pod that a session claimed meanwhile is left alone', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 10 })
  await bed.settle()
  bed.setPools(poolsOf({ min: 0, max: 10 }))
  const claimsOf = bed.ledger.claimsOf.bind(bed.ledger)
  let id: string | undefined
  bed.ledger.claimsOf = async (uids) => {
    const claims = await claimsOf(uids)
    id ??= await bed.claim('uid-1')
    return claims
  }
  await bed.reconcile()
  t.strictSame(bed.pods.of('delete'), [], 'the ledger gave the pod to the session')
  t.equal((await bed.session(id ?? '')).status, 'ACTIVE')
  await bed.settle()
  t.strictSame(bed.pods.of('delete'), [])
  t.strictSame(bed.pods.of('label'), ['uid-1'])
})

void t.test('a retired pod whose deletion failed is deleted later, whoever retired it', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 10 })
  await bed.settle()
  bed.setPools(poolsOf({ min: 0, max: 10 }))
  bed.pods.refuse('delete', refusal('api', 'etcd is away'))
  await t.rejects(bed.reconcile(), { message: 'etcd is away' }, 'so that the queue tries again')
  t.ok(bed.notices.has(agentType), 'the notice is posted all the same')
  t.strictSame(await indexed(), [])
  bed.pods.refuse('delete', undefined)
  await bed.reconcile()
  t.strictSame(bed.pods.of('delete'), ['uid-1'])
})

void t.test('a dead idle pod is replaced after a backoff, a dead claimed one ends its session', async (t) => {
  const bed = await bedFor(t, { min: 2, max: 10 })
  await bed.settle()
  bed.pods.change('uid-1', { deadReason: 'agent container ended', readySince: undefined })
  const id = await bed.claim('uid-2')
  bed.pods.change('uid-2', { deadReason: 'agent container ended', readySince: undefined })
  const againMs = await bed.reconcile()
  t.ok((againMs ?? 0) > 0, 'a death at start is followed by a pause')
  t.equal(bed.notices.get(agentType)?.boundBy, 'backoff')
  t.ok(bed.pods.of('delete').includes('uid-1'))
  t.match(await bed.session(id), { status: 'ENDING', endReason: 'pod:died' })
  t.strictSame(bed.ended, [id])
  bed.advance(againMs ?? 0)
  await bed.settle()
  t.equal(bed.pods.view.all().filter((pod) => pod.readySince !== undefined).length, 2)
  t.notOk(bed.pods.of('delete').includes('uid-2'), 'ENDING is the session reconciler’s')
})

void t.test('a claimed pod that is being deleted ends its session', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 10 })
  await bed.settle()
  const id = await bed.claim('uid-1')
  bed.pods.change('uid-1', { deletingSince: bed.now() })
  await bed.reconcile()
  t.match(await bed.session(id), { status: 'ENDING', endReason: 'pod:deleted' })
  await bed.reconcile()
  t.strictSame(bed.ended, [id], 'told once')
  t.strictSame(bed.pods.of('label'), [])
})

void t.test('a claimed pod whose session has ended is deleted', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 10 })
  await bed.settle()
  const id = await bed.claim('uid-1')
  await bed.sessions.beginEnding(id, 'ended:caller')
  await bed.reconcile()
  t.strictSame(bed.pods.of('delete'), [])
  await bed.ledger.finishEnding([id])
  await bed.reconcile()
  t.strictSame(bed.pods.of('delete'), ['uid-1'])
})

for (const [what, pools] of [
  ['frozen', poolsOf({ min: 2, max: 10, frozen: true })],
  ['removed', poolsOf({ min: 0, max: 0 }, 'another-agent')],
] as const) {
  void t.test(`what is left over goes, although the pool is ${what}`, async (t) => {
    const bed = await bedFor(t, { min: 4, max: 10 })
    await bed.settle()
    // Its replica died after the transaction that gave it up: nobody deletes uid-1 but who looks at the ledger.
    const failed = await bed.claim('uid-1', 'PENDING')
    await bed.sessions.failOpen(await bed.session(failed), 'failed:delivery', {
      kind: 'retire',
      reason: 'unreachable',
    })
    const [ended, purged, live] = [
      await bed.claim('uid-2'),
      await bed.claim('uid-3'),
      await bed.claim('uid-4'),
    ]
    await bed.sessions.beginEnding(ended, 'ended:caller')
    await bed.ledger.finishEnding([ended])
    await bed.postgres.durable.query('DELETE FROM sessions WHERE id = $1', [purged])
    bed.setPools(pools)
    await bed.reconcile()
    t.same(bed.pods.of('delete').sort(), ['uid-1', 'uid-2', 'uid-3'])
    t.equal((await bed.session(live)).status, 'ACTIVE')
    t.match((await bed.ledger.claimsOf(['uid-1'])).get('uid-1'), { purpose: 'retired', sessionId: failed })
  })
}

void t.test('a retired pod goes whatever is said of the session that once had it', async (t) => {
  const bed = await bedFor(t, { min: 2, max: 10 })
  await bed.settle()
  const [, ending] = [await bed.claim('uid-1'), await bed.claim('uid-2')]
  await bed.sessions.beginEnding(ending, 'ended:caller')
  await bed.postgres.durable.query(`UPDATE pod_claims SET purpose = 'retired'`)
  await bed.reconcile()
  t.same(bed.pods.of('delete').sort(), ['uid-1', 'uid-2'])
  t.strictSame(bed.pods.of('label'), [])
})

void t.test('an idle pod on a node that is silent too long is replaced', async (t) => {
  const bed = await bedFor(t, { min: 2, max: 10 })
  await bed.settle()
  bed.pods.change('uid-1', { readySince: undefined, unreachableSince: bed.now() })
  await bed.reconcile()
  t.strictSame(bed.pods.of('delete'), [])
  bed.advance(300_000)
  await bed.reconcile()
  t.strictSame(bed.pods.of('delete'), ['uid-1'])
  bed.advance(10_000)
  await bed.settle()
  t.equal(bed.pods.view.all().filter((pod) => pod.deletingSince === undefined).length, 2)
})

void t.test('a removed type drains its idle pods, keeps the claimed ones, and is forgotten', async (t) => {
  const bed = await bedFor(t, { min: 3, max: 10 })
  await bed.settle()
  const id = await bed.claim('uid-1')
  bed.setPools(poolsOf({ min: 0, max: 0 }, 'another-agent'))
  await bed.settle()
  t.same(bed.pods.of('delete').sort(), ['uid-2', 'uid-3'])
  t.equal((await bed.session(id)).status, 'ACTIVE')
  t.same(bed.poolReconciler.poolsToWatch(), [agentType, 'another-agent'])
  for (const uid of bed.pods.real.keys()) bed.pods.vanish(uid)
  t.equal(await bed.reconcile(), undefined)
  t.same(bed.poolReconciler.poolsToWatch(), ['another-agent'])
  t.notMatch(
    await bed.metrics.registry.metrics(),
    /pool_slots\{agent_type="echo-agent"/,
    'no gauge of a pool that is no more',
  )
})

void t.test('without any document nothing is touched', async (t) => {
  const bed = await bedFor(t)
  await bed.settle()
  bed.setPools(undefined)
  t.equal(await bed.reconcile(), undefined)
  t.strictSame(bed.pods.of('delete'), [])
})

void t.test('PostgreSQL is down: nothing is removed, the reconcile fails, and heals', async (t) => {
  const own = await startDatabase(t)
  await redis.flushall()
  const index = indexOn(redis)
  const bed = await controllerBed(t, { database: own, index, pools: poolsOf({ min: 3, max: 10 }) })
  await bed.settle()
  bed.setPools(poolsOf({ min: 0, max: 10 }))
  await own.server.kill()
  await t.rejects(bed.reconcile(), { code: 'GRN_DATABASE_UNAVAILABLE' })
  t.strictSame(bed.pods.of('delete'), [])
  await own.server.restart()
  await bed.settle()
  t.equal(bed.pods.of('delete').length, 3)
})

function currentHash({ pools }: PoolBed): string {
  const spec = pools.current()?.pools[agentType]
  if (!spec) throw new Error('no pool')
  return templateHash(agentType, spec)
}

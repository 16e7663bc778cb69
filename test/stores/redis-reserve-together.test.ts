import t from 'tap'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { indexOn, redisFor, startIndexServer } from './store-servers.ts'

/** Slots for several sessions in one call, all of them or none. */

const server = await startIndexServer(t)
const redis = await redisFor(t, server.url)
const index = indexOn(redis)
t.beforeEach(async () => {
  await redis.flushall()
})

const agentType = 'echo-agent'
const keys = poolKeys(agentType)
const slots = (...uids: string[]) => uids.map((podUid, rank) => ({ podUid, rank }))
const reserveAll = (sessionIds: readonly string[], { attempt = 1, isArrival = false } = {}) =>
  index.reserveAll({
    agentType,
    sessions: sessionIds.map((sessionId) => ({ sessionId, attempt, isArrival })),
  })
const reserved = (...podUids: string[]) => ({ kind: 'reserved', podUids })
const waits = (sessionId: string) =>
  index.keepWaiting(agentType, [{ sessionId, place: undefined, headStartMs: 0 }])

void t.test('one slot for each, in rank order; the same attempts get the same slots', async (t) => {
  await index.rebuild(agentType, slots('a', 'b', 'c', 'd'))
  t.same(await reserveAll(['s1', 's2', 's3']), reserved('a', 'b', 'c'))
  t.same(await reserveAll(['s1', 's2', 's3']), reserved('a', 'b', 'c'))
  t.equal(await index.size(agentType), 1)
  t.same(await index.reserve({ agentType, sessionId: 's2', attempt: 1 }), { kind: 'reserved', podUid: 'b' })
  t.same(await reserveAll(['s1', 's4']), reserved('a', 'd'), 'one has its slot already')
})

void t.test('too few for all: nothing is reserved for any', async (t) => {
  await index.rebuild(agentType, slots('a', 'b'))
  t.same(await reserveAll(['s1', 's2', 's3']), { kind: 'empty' })
  t.equal(await index.size(agentType), 2)
  t.equal(await redis.hlen(keys.reservations), 0)
  t.same(await reserveAll(['s1', 's2']), reserved('a', 'b'))
})

void t.test('slots that live waiters stand for are not taken; silent waiters are forgotten', async (t) => {
  await index.rebuild(agentType, slots('a', 'b', 'c'))
  await waits('w1')
  t.same(await reserveAll(['s1', 's2', 's3']), { kind: 'empty' })
  t.same(await reserveAll(['s1', 's2']), reserved('a', 'b'))
  t.same(await reserveAll(['s3']), { kind: 'empty' }, 'the last one is of who waits')
  await redis.zadd(keys.seen, 1, 'w1')
  t.same(await reserveAll(['s3']), reserved('c'))
})

void t.test('a higher attempt takes another slot; a lower one is stale and changes nothing', async (t) => {
  await index.rebuild(agentType, slots('a', 'b', 'c', 'd', 'e'))
  await reserveAll(['s1', 's2'])
  t.same(await reserveAll(['s1'], { attempt: 3 }), reserved('c'))
  t.same(await reserveAll(['s3', 's1'], { attempt: 2 }), { kind: 'stale' })
  t.equal(await index.size(agentType), 2)
  t.same(await reserveAll(['s1', 's3'], { attempt: 3 }), reserved('c', 'd'))
})

void t.test('reservations lapse together, and those of the asking sessions do not', async (t) => {
  await index.rebuild(agentType, slots('a', 'b', 'c'))
  await reserveAll(['s1', 's2'])
  for (const session of ['s1', 's2']) await redis.zadd(keys.expiries, 1, session)
  t.same(
    await reserveAll(['s1', 's3', 's4']),
    reserved('a', 'b', 'c'),
    's1 kept its own, that of s2 came back',
  )
})

void t.test('an index that was not built is unknown', async (t) => {
  await index.add(agentType, slots('a'))
  t.same(await reserveAll(['s1']), { kind: 'unknown' })
})

void t.test('each session counts as demand once, and as missed when there were too few', async (t) => {
  await index.rebuild(agentType, slots('a', 'b', 'c'))
  await reserveAll(['s1', 's2'], { isArrival: true })
  await reserveAll(['s1', 's2'], { isArrival: true })
  t.match(await redis.hgetall(keys.demand), { arrivals: '2' })
  await reserveAll(['s3', 's4'], { isArrival: true })
  await reserveAll(['s3', 's4'], { isArrival: true })
  t.match(await redis.hgetall(keys.demand), { arrivals: '4', misses: '2' })
})

void t.test(
  '20 batches of 10 over five connections for 95 slots: nine of them, and no slot twice',
  async (t) => {
    const uids = Array.from({ length: 95 }, (_, n) => `pod-${n}`)
    await index.rebuild(agentType, slots(...uids))
    const connections = await Promise.all(
      Array.from({ length: 5 }, async () => indexOn(await redisFor(t, server.url))),
    )
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, batch) =>
        connections[batch % 5]?.reserveAll({
          agentType,
          sessions: Array.from({ length: 10 }, (_one, n) => ({ sessionId: `${batch}-${n}`, attempt: 1 })),
        }),
      ),
    )
    const taken = answers.flatMap((answer) => (answer?.kind === 'reserved' ? answer.podUids : []))
    t.equal(taken.length, 90)
    t.equal(new Set(taken).size, 90)
    t.equal(await index.size(agentType), 5)
  },
)

import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { startTcpProxy } from '../../bed/servers/tcp-proxy.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createRedis } from '../../src/stores/redis-client.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { createRedisSlotIndex, reservationMs } from '../../src/stores/redis-slot-index.ts'
import { silent } from '../support/kept-log.ts'
import { indexOn, redisFor, startIndexServer } from './store-servers.ts'

const server = await startIndexServer(t)
const redis = await redisFor(t, server.url)
const index = indexOn(redis)
t.beforeEach(async () => {
  await redis.flushall()
})

const agentType = 'echo-agent'
const keys = poolKeys(agentType)
const slots = (...uids: string[]) => uids.map((podUid, position) => ({ podUid, rank: position }))
const reserve = (sessionId: string, attempt = 1) => index.reserve({ agentType, sessionId, attempt })
const reserved = (podUid: string) => ({ kind: 'reserved', podUid })
/** Lets the reservation of a session lapse, without waiting for it. */
const lapse = (sessionId: string) => redis.zadd(keys.expiries, 1, sessionId)

void t.test('a slot is reserved in rank order, once per attempt', async (t) => {
  await index.rebuild(agentType, [
    { podUid: 'b', rank: 1_763_692_800_123.5 },
    { podUid: 'a', rank: 1_763_692_800_124 },
    { podUid: 'c', rank: -1 },
  ])
  t.same(await reserve('s1'), reserved('c'))
  t.same(await reserve('s1'), reserved('c'), 'the same attempt gets the same slot')
  t.same(await reserve('s2'), reserved('b'))
  t.equal(await index.size(agentType), 1)
  t.same(await reserve('s3'), reserved('a'))
  t.same(await reserve('s4'), { kind: 'empty' })
})

void t.test(
  'a higher attempt drops the older record and takes another slot; a lower one is stale',
  async (t) => {
    await index.rebuild(agentType, slots('a', 'b', 'c'))
    await reserve('s1', 1)
    t.same(await reserve('s1', 3), reserved('b'))
    t.same(await reserve('s1', 2), { kind: 'stale' })
    t.same(await reserve('s1', 3), reserved('b'), 'stale changed nothing')
    await lapse('s1')
    t.same(await reserve('s2'), reserved('b'), 'the newer slot came back')
    t.same(await reserve('s3'), reserved('c'), 'the failed one did not')
  },
)

void t.test('an index that was not built says unknown, whatever stands in it', async (t) => {
  t.same(await reserve('s1'), { kind: 'unknown' })
  await index.add(agentType, slots('a'))
  t.same(await reserve('s1'), { kind: 'unknown' })
  t.equal(await index.size(agentType), undefined)
  await index.rebuild(agentType, [])
  t.same(await reserve('s1'), { kind: 'empty' })
  t.equal(await index.size(agentType), 0)
})

void t.test('the metric tells an unbuilt index from a built one', async (t) => {
  const metrics = createMetrics()
  const measured = createRedisSlotIndex({ redis, logger: silent, metrics, now: () => 0 })
  const value = async () => (await metrics.indexUnknown.get()).values[0]?.value
  await measured.reserve({ agentType, sessionId: 's1', attempt: 1 })
  t.equal(await value(), 1)
  await measured.rebuild(agentType, [])
  await measured.reserve({ agentType, sessionId: 's1', attempt: 1 })
  t.equal(await value(), 0)
})

void t.test('a reservation lapses after 5 s, by the clock of Redis', async (t) => {
  await index.rebuild(agentType, slots('a', 'b'))
  await reserve('s1')
  const [seconds = 0, micros = 0] = (await redis.time()).map(Number)
  const until = Number(await redis.zscore(keys.expiries, 's1'))
  const left = until - (seconds * 1_000 + micros / 1_000)
  t.ok(left > reservationMs - 500 && left <= reservationMs, `${left} ms`)
  await lapse('s1')
  t.same(await reserve('s1'), reserved('a'), 'the owner may still renew it')
  await lapse('s1')
  t.same(await reserve('s2'), reserved('a'), 'at its old rank, before b')
  await index.settle(agentType, 's2', 'a')
  t.same(await reserve('s1'), reserved('b'), 'what had lapsed is forgotten')
})

void t.test('a thousand lapsed reservations come back a few at a time', async (t) => {
  const many = slots(...Array.from({ length: 1_000 }, (_, n) => `p${n}`))
  await index.rebuild(agentType, many)
  for (let n = 0; n < 1_000; n += 1) await reserve(`s${n}`)
  for (let n = 0; n < 1_000; n += 1) await lapse(`s${n}`)
  t.match(await reserve('new'), { kind: 'reserved' })
  t.equal(await redis.hlen(keys.reservations), 1_000 - 16 + 1)
})

void t.test('settling keeps the slot away, giving back returns it at its rank', async (t) => {
  await index.rebuild(agentType, slots('a', 'b'))
  await reserve('s1')
  await index.giveBack(agentType, 's1', 'b')
  t.equal(await index.size(agentType), 1, 'not its slot: another request of the session may have gone on')
  await index.giveBack(agentType, 's1', 'a')
  await index.giveBack(agentType, 's1', 'a')
  t.same(await reserve('s2'), reserved('a'))
  await index.settle(agentType, 's2', 'b')
  t.equal(await redis.hlen(keys.reservations), 1)
  await index.settle(agentType, 's2', 'a')
  await index.giveBack(agentType, 's2', 'a')
  t.equal(await index.size(agentType), 1)
  t.same(await redis.hgetall(keys.reservations), {})
  t.equal(await redis.zcard(keys.expiries), 0)
})

void t.test('adding and rebuilding pass over reserved slots; dropping takes slots out', async (t) => {
  await index.rebuild(agentType, slots('a', 'b'))
  await reserve('s1')
  await index.add(agentType, slots('a', 'c'))
  t.equal(await index.size(agentType), 2)
  await index.rebuild(agentType, slots('a', 'd', 'e'))
  t.same(await redis.zrange(keys.ready, '0', '-1'), ['d', 'e'])
  await index.drop(agentType, ['d', 'not there'])
  t.same(await redis.zrange(keys.ready, '0', '-1'), ['e'])
  await index.drop(agentType, [])
  await index.add(agentType, [])
})

void t.test('a pool of 100,000 is dropped page by page', async (t) => {
  const large = Array.from({ length: 100_000 }, (_, n) => ({ podUid: `pod-${n}`, rank: n }))
  t.equal(await index.rebuild(agentType, large), true)
  await index.drop(
    agentType,
    large.map((slot) => slot.podUid),
  )
  t.equal(await redis.zcard(keys.ready), 0)
})

void t.test('200 reservers of 100 slots over five connections never share one', async (t) => {
  const replicas = await Promise.all(Array.from({ length: 5 }, () => redisFor(t, server.url)))
  const indexes = replicas.map((replica) => indexOn(replica))
  await index.rebuild(agentType, slots(...Array.from({ length: 100 }, (_, n) => `pod-${n}`)))
  const answers = await Promise.all(
    indexes.flatMap((own, replica) =>
      Array.from({ length: 40 }, (_, n) =>
        own.reserve({ agentType, sessionId: `s${replica}-${n}`, attempt: 1 }),
      ),
    ),
  )
  const uids = answers.flatMap((answer) => (answer.kind === 'reserved' ? [answer.podUid] : []))
  t.equal(uids.length, 100)
  t.equal(new Set(uids).size, 100)
  t.equal(answers.filter((answer) => answer.kind === 'empty').length, 100)
})

void t.test('a reply that gets lost takes one slot only', async (t) => {
  const proxy = await startTcpProxy({ port: Number(new URL(server.url).port) })
  t.teardown(() => proxy.stop())
  const cutOff = await redisFor(t, `redis://${proxy.host}:${proxy.port}`)
  const distant = indexOn(cutOff)
  await index.rebuild(agentType, slots('a', 'b', 'c'))
  // So that the script itself, not its loading, is what the connection is cut after.
  await distant.reserve({ agentType, sessionId: 'warm-up', attempt: 1 })
  await distant.giveBack(agentType, 'warm-up', 'a')
  proxy.set('drop-replies')
  const answer = distant.reserve({ agentType, sessionId: 's1', attempt: 1 })
  await until('the script ran', async () => (await redis.hlen(keys.reservations)) === 1)
  proxy.set('pass')
  proxy.cut()
  t.same(await answer, reserved('a'), 'ioredis sent it again, and it got its own slot')
  t.equal(await index.size(agentType), 2)
})

void t.test(
  'Redis that hangs costs one time-out, then nothing; when it is back it is used again',
  async (t) => {
    const proxy = await startTcpProxy({ port: Number(new URL(server.url).port) })
    t.teardown(() => proxy.stop())
    const distant = indexOn(await redisFor(t, `redis://${proxy.host}:${proxy.port}`))
    await index.rebuild(agentType, slots('a', 'b', 'c'))
    const ask = async (sessionId: string) => {
      const begun = performance.now()
      const { kind } = await distant.reserve({ agentType, sessionId, attempt: 1 })
      return { kind, ms: performance.now() - begun }
    }
    t.match(await ask('s1'), { kind: 'reserved' })
    proxy.set('half-open')
    const slow = await ask('s2')
    t.equal(slow.kind, 'unknown')
    t.ok(slow.ms > 200 && slow.ms < 400, `${slow.ms} ms`)
    const quick = await ask('s3')
    t.equal(quick.kind, 'unknown')
    t.ok(quick.ms < 20, 'the breaker is open')
    // No cut here: the client itself must find out that this connection is dead.
    proxy.set('pass')
    await until('the index answers again', async () => (await ask('s4')).kind === 'reserved', 5_000)
  },
)

void t.test('without a connection the answer is unknown at once', async (t) => {
  const nowhere = createRedis('redis://127.0.0.1:1', silent)
  t.teardown(() => nowhere.disconnect())
  const begun = performance.now()
  t.same(await indexOn(nowhere).reserve({ agentType, sessionId: 's', attempt: 1 }), { kind: 'unknown' })
  t.ok(performance.now() - begun < 200)
})

// --- the queue -------------------------------------------------------------------------------------------------------

/** Lets a waiter's replica be silent for longer than a live one may be. */
const silence = (sessionId: string) => redis.zadd(keys.seen, 1, sessionId)
const wait = (sessionId: string, headStartMs = 0, place?: number) =>
  index.keepWaiting(agentType, [{ sessionId, place, headStartMs }])

void t.test('who waits is served in turn; a newcomer takes what is left beyond them', async (t) => {
  await index.rebuild(agentType, [])
  await wait('first')
  await wait('second')
  await index.add(agentType, slots('a'))
  t.same(await reserve('newcomer'), { kind: 'empty' }, 'it is for the first')
  t.same(await reserve('second'), { kind: 'empty' })
  await index.add(agentType, slots('b', 'c'))
  t.same(await reserve('second'), reserved('a'), 'there is one for the first as well')
  t.same(await reserve('newcomer'), reserved('b'))
  t.same(await reserve('first'), reserved('c'))
  t.equal(await index.waiting(agentType), 0)
})

void t.test('waiters of a replica that died hold nobody up', async (t) => {
  await index.rebuild(agentType, slots('a'))
  for (let n = 0; n < 600; n += 1) await wait(`dead-${n}`)
  await wait('alive')
  for (let n = 0; n < 600; n += 1) await silence(`dead-${n}`)
  t.same(await reserve('alive'), { kind: 'empty' }, 'at most 500 go at a time')
  t.same(await reserve('alive'), reserved('a'))
  t.equal(await index.waiting(agentType), 0)
})

void t.test(
  'waiters whose last sign of life was evicted hold nobody up for longer than others',
  async (t) => {
    await index.rebuild(agentType, slots('a'))
    await wait('dead')
    await redis.del(keys.seen)
    t.same(await reserve('newcomer'), { kind: 'empty' }, 'it may be alive')
    t.equal(await redis.zcard(keys.seen), 1)
    await silence('dead')
    t.same(await reserve('newcomer'), reserved('a'))
  },
)

void t.test('silent waiters are not counted, although no slot is free', async (t) => {
  await index.rebuild(agentType, [])
  await wait('dead')
  await silence('dead')
  t.same(await reserve('newcomer'), { kind: 'empty' })
  t.equal(await index.waiting(agentType), 0)
})

void t.test('two requests of one session have one place', async (t) => {
  const [first] = (await wait('twice')) ?? []
  t.same(await wait('twice'), [first])
})

void t.test('a head start counts, but those before it age past it', async (t) => {
  await index.rebuild(agentType, [])
  const [early] = (await wait('early')) ?? []
  const [ahead] = (await wait('ahead', 5_000)) ?? []
  t.ok(ahead !== undefined && early !== undefined && ahead < early)
  await wait('older', 0, (early ?? 0) - 6_000)
  await index.add(agentType, slots('a'))
  t.same(await reserve('ahead'), { kind: 'empty' })
  t.same(await reserve('older'), reserved('a'))
})

void t.test('after Redis lost everything the queue is told again, in its old order', async (t) => {
  const [first] = (await wait('first')) ?? []
  const [second] = (await wait('second')) ?? []
  await redis.flushall()
  await index.keepWaiting(agentType, [
    { sessionId: 'second', place: second, headStartMs: 0 },
    { sessionId: 'first', place: first, headStartMs: 0 },
  ])
  await index.rebuild(agentType, slots('a'))
  t.same(await reserve('second'), { kind: 'empty' })
  t.same(await reserve('first'), reserved('a'))
})

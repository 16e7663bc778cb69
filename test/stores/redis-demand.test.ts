import t from 'tap'
import { createRedis } from '../../src/stores/redis-client.ts'
import { createRedisDemand } from '../../src/stores/redis-demand.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { silent } from '../support/kept-log.ts'
import { indexOn, redisFor, startIndexServer } from './store-servers.ts'

const server = await startIndexServer(t)
const redis = await redisFor(t, server.url)
const index = indexOn(redis)
const demand = createRedisDemand(redis, silent)
t.beforeEach(async () => {
  await redis.flushall()
})

const agentType = 'echo-agent'
const slots = (...uids: string[]) => uids.map((podUid, position) => ({ podUid, rank: position }))
const ask = (sessionId: string, attempt = 1, isArrival = true) =>
  index.reserve({ agentType, sessionId, attempt, isArrival })
const join = (sessionId: string, isArrival = true) =>
  index.keepWaiting(agentType, [{ sessionId, place: undefined, headStartMs: 0, isArrival }])

void t.test('each session counts once when it asks first, whether it finds a pod or not', async (t) => {
  t.same(await demand.read(agentType), { since: 0, arrivals: 0, misses: 0 })
  await index.rebuild(agentType, slots('a', 'b'))
  const before = Date.now()
  await ask('s1')
  await ask('s1')
  t.match(await demand.read(agentType), { arrivals: 1, misses: 0 }, 'a call that was sent again counts once')
  await ask('s2')
  await ask('s3')
  await ask('s3')
  t.match(await demand.read(agentType), { arrivals: 3, misses: 1 }, 'nor does a refused one count twice')
  await ask('s1', 2, false)
  t.match(await demand.read(agentType), { arrivals: 3, misses: 1 }, 'a further attempt is no arrival')
  const { since = 0 } = (await demand.read(agentType)) ?? {}
  t.ok(since >= before - 1_000 && since <= Date.now() + 1_000)
})

void t.test('who joins the queue without asking counts as one that found none, once', async (t) => {
  await index.rebuild(agentType, [])
  await join('s1')
  await join('s1', false)
  await ask('s1', 1, false)
  t.match(await demand.read(agentType), { arrivals: 1, misses: 1 })
  await index.add(agentType, slots('a'))
  await ask('newcomer')
  t.match(await demand.read(agentType), { arrivals: 2, misses: 2 }, 'the slot belongs to the one who waits')
})

void t.test('a refused caller that comes again under its key was counted', async (t) => {
  await index.rebuild(agentType, [])
  await ask('s1')
  await index.add(agentType, slots('a'))
  t.match(await ask('s1'), { kind: 'reserved' })
  t.match(await demand.read(agentType), { arrivals: 1, misses: 1 })
})

void t.test('the memory of refused sessions is bounded in number and time', async (t) => {
  await index.rebuild(agentType, [])
  const { missed } = poolKeys(agentType)
  // Written here and not asked for one by one: on a busy machine one late answer would stop the index from asking.
  const now = Date.now()
  await redis.zadd(missed, ...Array.from({ length: 10_050 }, (_, n) => [now + n / 1_000, `s${n}`]).flat())
  await ask('newest')
  t.equal(await redis.zcard(missed), 10_000)
  t.equal(await redis.zscore(missed, 's50'), null, 'the oldest went')
  await redis.zadd(missed, 1, 's10000')
  await ask('later')
  t.equal(await redis.zscore(missed, 's10000'), null)
  t.ok((await redis.pttl(missed)) > 0)
})

void t.test('before the index is built arrivals count, and nothing is said of misses', async (t) => {
  t.same(await ask('s1'), { kind: 'unknown' })
  t.match(await demand.read(agentType), { arrivals: 1, misses: 0 })
})

void t.test('the counts of a pool that nobody reads go away; without Redis there are none', async (t) => {
  await index.rebuild(agentType, [])
  await ask('s1')
  await demand.read(agentType)
  t.ok((await redis.pttl(poolKeys(agentType).demand)) > 0)
  const nowhere = createRedis('redis://127.0.0.1:1', silent)
  t.teardown(() => nowhere.disconnect())
  t.equal(await createRedisDemand(nowhere, silent).read(agentType), undefined)
})

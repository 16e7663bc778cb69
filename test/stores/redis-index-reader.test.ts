import t from 'tap'
import { createRedisIndexReader } from '../../src/stores/redis-index-reader.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { indexOn, redisFor, startIndexServer } from './store-servers.ts'

const server = await startIndexServer(t)

void t.test('reads what the scripts write', async (t) => {
  const redis = await redisFor(t, server.url)
  const index = indexOn(redis)
  await index.rebuild('echo-agent', [
    { podUid: 'b', rank: 2 },
    { podUid: 'a', rank: 1 },
    { podUid: 'c', rank: 3 },
  ])
  await index.reserve({ agentType: 'echo-agent', sessionId: 's-1', attempt: 2 })
  const reader = createRedisIndexReader(redis)
  const [pool, other] = await reader.read(['echo-agent', 'other'])
  const { nowMs = 0, reservations = [] } = pool ?? {}
  t.ok(Math.abs(nowMs - Date.now()) < 5_000, 'milliseconds of the clock')
  t.match(pool, { agentType: 'echo-agent', ready: ['b', 'c'] })
  t.match(reservations, [{ sessionId: 's-1', attempt: 2, podUid: 'a' }])
  const leftMs = (reservations[0]?.expiresAt ?? 0) - nowMs
  t.ok(leftMs > 0 && leftMs <= 5_000, `a reservation of 5 s, not ${leftMs} ms`)
  t.match(other, { ready: [], reservations: [] })
  t.equal(other?.reservations.length, 0)

  await redis.zrem(poolKeys('echo-agent').expiries, 's-1')
  const [again] = await reader.read(['echo-agent'])
  t.match(again?.reservations, [{ podUid: 'a', expiresAt: undefined }])
})

void t.test('finds every pool that Redis has something of', async (t) => {
  const redis = await redisFor(t, server.url)
  await redis.flushall()
  const reader = createRedisIndexReader(redis)
  t.same(await reader.pools(), [])
  await redis.zadd(poolKeys('one').ready, 1, 'a')
  await redis.hset(poolKeys('two').reservations, 's', '1 1 b')
  await redis.set('greenroom:other', 'x')
  await redis.set(poolKeys('three').notice, 'x')
  // More keys than one step of a scan looks at.
  await redis.mset(Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`else:${n}`, 'x'])))
  t.same([...(await reader.pools())].sort(), ['one', 'two'])
})

void t.test('a Redis that is away is an error with a code, not an empty index', async (t) => {
  const redis = await redisFor(t, server.url)
  const reader = createRedisIndexReader(redis)
  await redis.set(poolKeys('odd').ready, 'not a sorted set')
  await t.rejects(reader.read(['odd']), { code: 'GRN_REDIS_UNAVAILABLE', cause: /WRONGTYPE/ })
  redis.disconnect()
  await t.rejects(reader.read(['echo-agent']), { code: 'GRN_REDIS_UNAVAILABLE' })
  await t.rejects(reader.pools(), { code: 'GRN_REDIS_UNAVAILABLE' })
})

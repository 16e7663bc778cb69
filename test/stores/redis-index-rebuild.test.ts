import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { startTcpProxy } from '../../bed/servers/tcp-proxy.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { indexOn, redisFor, startIndexServer } from './store-servers.ts'

const server = await startIndexServer(t)
const redis = await redisFor(t, server.url)
const index = indexOn(redis)
t.beforeEach(async () => {
  await redis.flushall()
})

const agentType = 'echo-agent'
const keys = poolKeys(agentType)
const reserve = (sessionId: string, attempt = 1) => index.reserve({ agentType, sessionId, attempt })
const reserved = (podUid: string) => ({ kind: 'reserved', podUid })

void t.test('20,000 slots are rebuilt within the time of a command', async (t) => {
  const large = Array.from({ length: 20_000 }, (_, n) => ({ podUid: `pod-${n}`, rank: n }))
  await index.rebuild(agentType, large)
  t.equal(await index.size(agentType), 20_000)
  await index.add(agentType, large)
  t.equal(await index.size(agentType), 20_000)
})

const many = Array.from({ length: 100_000 }, (_, rank) => ({ podUid: `pod-${rank}`, rank }))

void t.test('an index of 100,000 slots is rebuilt page by page: what changed is written', async (t) => {
  t.equal(await index.rebuild(agentType, many), true)
  t.equal(await index.size(agentType), many.length)
  const moved = { podUid: 'pod-99999', rank: -1 }
  await redis.zadd(keys.ready, 1, 'stranger')
  await redis.zrem(keys.ready, 'pod-5')
  t.equal(await index.rebuild(agentType, [...many.slice(0, -1), moved]), true)
  t.equal(await index.size(agentType), many.length)
  t.equal(await redis.zscore(keys.ready, 'stranger'), null)
  t.equal(await redis.zscore(keys.ready, 'pod-5'), '5')
  t.same(await reserve('s1'), reserved('pod-99999'))
})

void t.test('while a first rebuild goes on the index is unknown, and never empty', async (t) => {
  let isDone = false
  const rebuilt = index.rebuild(agentType, many).then(() => {
    isDone = true
  })
  const seen = new Set<string>()
  for (let n = 0; !isDone; n += 1) seen.add((await reserve(`s${n}`)).kind)
  await rebuilt
  t.ok(seen.has('unknown'), 'it was asked meanwhile')
  t.notOk(seen.has('empty'))
  t.match(await reserve('after'), { kind: 'reserved' })
})

void t.test('while a built index is rebuilt it hands out slots, each once', async (t) => {
  await index.rebuild(agentType, many)
  const look = await index.look(agentType)
  let isDone = false
  // As the next leader does it: none of these claims was made when it read what is claimed.
  const rebuilt = index.rebuild(agentType, many.toReversed(), look?.at).then(() => {
    isDone = true
  })
  const taken: string[] = []
  for (let n = 0; !isDone; n += 1) {
    const answer = await reserve(`s${n}`)
    if (answer.kind !== 'reserved') return t.fail(answer.kind)
    taken.push(answer.podUid)
    await index.settle(agentType, `s${n}`, answer.podUid)
  }
  await rebuilt
  t.ok(taken.length > 0)
  t.equal(new Set(taken).size, taken.length)
  for (const podUid of taken) t.equal(await redis.zscore(keys.ready, podUid), null)
  t.equal(await redis.zcard(keys.ready), many.length - taken.length)
})

void t.test(
  'a rebuild that was interrupted says so, leaves what it did, and the next one ends it',
  async (t) => {
    const proxy = await startTcpProxy({ port: Number(new URL(server.url).port) })
    t.teardown(() => proxy.stop())
    const interrupted = indexOn(await redisFor(t, `redis://${proxy.host}:${proxy.port}`))
    // So slow that it is cut between two pages.
    proxy.set('delay', { delayMs: 5 })
    const rebuilt = interrupted.rebuild(agentType, many)
    await until('some pages', async () => (await redis.zcard(keys.ready)) > 3_000)
    proxy.set('refuse')
    proxy.cut()
    t.equal(await rebuilt, false)
    const size = await redis.zcard(keys.ready)
    t.ok(size > 0 && size < many.length, `${size} of ${many.length}`)
    t.same(await reserve('s1'), { kind: 'unknown' })
    t.equal(await index.rebuild(agentType, many), true)
    t.equal(await index.size(agentType), many.length)
  },
)

import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createIndexSync } from '../../src/controllers/index-sync.ts'
import type { IndexLook, Wake } from '../../src/domain/index-ports.ts'
import type { SlotView } from '../../src/domain/pool-observation.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { indexOn, redisFor, startIndexServer } from '../stores/store-servers.ts'

const server = await startIndexServer(t)
const redis = await redisFor(t, server.url)
const agentType = 'echo-agent'
const { ready } = poolKeys(agentType)

function slot(podUid: string, overrides: Partial<SlotView> = {}): SlotView {
  return {
    podUid,
    name: podUid,
    state: 'ready',
    createdAt: 0,
    readySince: 1_000,
    deletingSince: undefined,
    drifted: false,
    deadReason: undefined,
    trouble: undefined,
    claim: undefined,
    origin: 'ours',
    ...overrides,
  }
}

async function newSync() {
  await redis.flushall()
  let time = 0
  const published: Wake[] = []
  const index = indexOn(redis)
  const wakes = { publish: (wake: Wake) => void published.push(wake), subscribe: () => () => undefined }
  const sync = createIndexSync({ index, wakes, now: () => time })
  return {
    published,
    index,
    advance: (ms: number) => {
      time += ms
    },
    look: () => sync.look(agentType),
    sync: async (...slots: SlotView[]) => sync.sync(agentType, slots, { look: await sync.look(agentType) }),
    syncAsOf: (look: IndexLook | undefined, ...slots: SlotView[]) => sync.sync(agentType, slots, { look }),
    indexed: () => redis.zrange(ready, '0', '-1'),
    drop: (...uids: string[]) => sync.drop(agentType, uids),
  }
}

void t.test('adds what became ready, drops what no longer is, tells waiters of the new only', async (t) => {
  const bed = await newSync()
  await bed.sync(slot('a'), slot('w', { state: 'warming' }), slot('c', { state: 'claimed' }))
  t.strictSame(await bed.indexed(), ['a'])
  await bed.sync(slot('a'), slot('b', { readySince: 2_000 }))
  t.strictSame(await bed.indexed(), ['a', 'b'], 'longest ready first')
  t.equal(bed.published.length, 2)
  await bed.sync(slot('a', { state: 'claimed' }), slot('b', { readySince: 2_000 }))
  t.strictSame(await bed.indexed(), ['b'])
  t.equal(bed.published.length, 2, 'nothing new, nobody woken')
  await bed.drop('b')
  t.strictSame(await bed.indexed(), [])
})

void t.test('drifted pods are handed out after every fresh one', async (t) => {
  const bed = await newSync()
  const now = Date.now()
  await bed.sync(slot('old', { drifted: true, readySince: 1 }), slot('new', { readySince: now }))
  t.strictSame(await bed.indexed(), ['new', 'old'])
})

void t.test('a slot that a replica reserved is not offered again by a small step', async (t) => {
  const bed = await newSync()
  await bed.sync(slot('a'), slot('b'))
  t.match(await bed.index.reserve({ agentType, sessionId: 's1', attempt: 1 }), {
    kind: 'reserved',
    podUid: 'a',
  })
  await bed.sync(slot('a'), slot('b'))
  t.strictSame(await bed.indexed(), ['b'])
  bed.advance(5_000)
  await bed.sync(slot('a'), slot('b'))
  t.strictSame(await bed.indexed(), ['b'], 'nor by a rebuild')
})

void t.test('a write that was lost is made good by the next whole rebuild', async (t) => {
  const bed = await newSync()
  await bed.sync(slot('a'), slot('b'))
  await redis.zrem(ready, 'a')
  await redis.zadd(ready, 5, 'stranger')
  bed.advance(4_999)
  await bed.sync(slot('a'), slot('b'))
  t.same(await bed.indexed(), ['stranger', 'b'])
  bed.advance(1)
  await bed.sync(slot('a'), slot('b'))
  t.same(await bed.indexed(), ['a', 'b'])
})

void t.test(
  'Redis that lost everything is filled at the next look, one that is away does no harm',
  async (t) => {
    const bed = await newSync()
    await bed.sync(slot('a'), slot('b'))
    await redis.flushall()
    await bed.sync(slot('a'), slot('b'))
    t.strictSame(await bed.indexed(), ['a', 'b'])
    await server.kill()
    await bed.sync(slot('a'), slot('b'))
    await server.restart({ flush: true })
    await until('the index is built again', async () => {
      if (redis.status !== 'ready') return false
      await bed.sync(slot('a'), slot('b'))
      return (await bed.indexed()).length === 2
    })
  },
)

void t.test(
  'a claim made while the pool is looked at is not undone by what was read before it',
  async (t) => {
    for (const rebuilds of [false, true]) {
      const bed = await newSync()
      await bed.sync(slot('a'), slot('b'))
      if (rebuilds) bed.advance(5_000)
      const look = await bed.look()
      // The controller reads the claims here. Then a session takes `a`, and another one the new `c`, which it knows of.
      t.match(await bed.index.reserve({ agentType, sessionId: 's1', attempt: 1 }), { podUid: 'a' })
      await bed.index.settle(agentType, 's1', 'a')
      await bed.index.drop(agentType, ['c'])
      await bed.syncAsOf(look, slot('a'), slot('b'), slot('c'))
      t.strictSame(await bed.indexed(), ['b'], rebuilds ? 'by a rebuild' : 'by a small step')
      bed.advance(5_000)
      await bed.sync(slot('b'), slot('c'))
      t.strictSame(
        await bed.indexed(),
        ['b', 'c'],
        'a slot that a replica dropped by mistake comes back at the next look',
      )
    }
  },
)

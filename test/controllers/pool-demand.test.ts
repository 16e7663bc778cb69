import t from 'tap'
import { createPoolDemand } from '../../src/controllers/pool-demand.ts'
import type { DemandCounts } from '../../src/domain/sizing-ports.ts'

const agentType = 'echo-agent'

function start(from?: DemandCounts) {
  let time = 1_000_000
  const redis: { counts: DemandCounts | undefined } = { counts: { since: 1, arrivals: 100, misses: 10 } }
  const asked: number[] = []
  const rows = { arrivals: 0, misses: 0 }
  const demand = createPoolDemand({
    agentType,
    feed: { read: async () => redis.counts },
    ledger: {
      async openedSince(_type, afterMs) {
        asked.push(afterMs)
        return rows
      },
    },
    from,
    now: () => time,
  })
  return { demand, redis, asked, rows, advance: (ms: number) => (time += ms) }
}

void t.test('what Redis counted since the last look has arrived', async (t) => {
  const { demand, redis } = start()
  t.same(await demand.look(), { arrivals: 0, misses: 0 }, 'the first look has nothing to compare with')
  redis.counts = { since: 1, arrivals: 107, misses: 12 }
  t.same(await demand.look(), { arrivals: 7, misses: 2 })
  t.same(await demand.look(), { arrivals: 0, misses: 0 })
})

void t.test('a new leader goes on where the last one stopped', async (t) => {
  const { demand } = start({ since: 1, arrivals: 90, misses: 10 })
  t.same(await demand.look(), { arrivals: 10, misses: 0 })
  t.same(demand.counts(), { since: 1, arrivals: 100, misses: 10 })
})

void t.test('counts that went back or began anew are taken whole', async (t) => {
  const { demand, redis } = start()
  await demand.look()
  redis.counts = { since: 2, arrivals: 120, misses: 3 }
  t.same(await demand.look(), { arrivals: 120, misses: 3 }, 'another Redis, although its count is higher')
  redis.counts = { since: 2, arrivals: 5, misses: 1 }
  t.same(await demand.look(), { arrivals: 5, misses: 1 })
  redis.counts = { since: 0, arrivals: 0, misses: 0 }
  t.same(await demand.look(), { arrivals: 0, misses: 0 }, 'Redis was emptied')
  redis.counts = { since: 3, arrivals: 2, misses: 0 }
  t.same(await demand.look(), { arrivals: 2, misses: 0 })
})

void t.test('without Redis the rows tell, once a second, and no session counts twice', async (t) => {
  const { demand, redis, asked, rows, advance } = start()
  await demand.look()
  redis.counts = undefined
  rows.arrivals = 4
  t.same(await demand.look(), { arrivals: 0, misses: 0 }, 'too soon to ask')
  advance(1_000)
  t.same(await demand.look(), { arrivals: 4, misses: 0 })
  advance(1_500)
  t.same(await demand.look(), { arrivals: 4, misses: 0 })
  t.same(asked, [1_000_000, 1_001_000])
  redis.counts = { since: 1, arrivals: 110, misses: 11 }
  t.same(
    await demand.look(),
    { arrivals: 2, misses: 1 },
    'the replicas had gone on counting: 8 were taken already',
  )
  redis.counts = { since: 1, arrivals: 111, misses: 11 }
  t.same(await demand.look(), { arrivals: 1, misses: 0 })
})

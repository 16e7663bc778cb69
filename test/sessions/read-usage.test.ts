import t from 'tap'
import type { UsageSum } from '../../src/domain/pod-life.ts'
import { checkPools } from '../../src/domain/pool.ts'
import { createReadUsage } from '../../src/sessions/read-usage.ts'

const now = Date.UTC(2026, 10, 28)
const dayMs = 86_400_000
const sum = (agentType: string): UsageSum => ({
  agentType,
  projectId: 'p',
  sessions: 1,
  sessionMs: 1_800_000,
  podMs: 3_600_000,
  startingMs: 0,
  inexactMs: 0,
})

function bed(options: { completeSince?: number | undefined; sums?: readonly UsageSum[] } = {}) {
  const { sums = [sum('echo-agent'), sum('toString')] } = options
  const completeSince = 'completeSince' in options ? options.completeSince : Number.NEGATIVE_INFINITY
  const pools = checkPools(
    JSON.stringify({
      pools: { 'echo-agent': { template: { image: 'i' }, min: 1, max: 2, pricePerPodHour: 0.25 } },
    }),
  )
  if (!pools.ok) throw new Error(pools.problems.join())
  const asked: unknown[] = []
  const readUsage = createReadUsage({
    usage: {
      coverage: async () => ({ now, completeSince }),
      async sums(window, options) {
        asked.push([window, options])
        return sums
      },
    },
    pools: { current: () => pools.value },
  })
  const read = (from: string, to: string, more = {}) =>
    readUsage({ from, to, by: 'pool', price: undefined, ...more })
  return { read, asked }
}

void t.test(
  'prices come from the pools in force, and a price in the question comes before them',
  async (t) => {
    const { read } = bed()
    const own = await read('2026-11-01', '2026-11-02')
    t.same(
      own.rows.map(({ agentType, cost }) => [agentType, cost]),
      [
        ['echo-agent', 0.25],
        ['toString', undefined],
      ],
    )
    t.same(own.prices, { 'echo-agent': 0.25 })
    const other = await read('2026-11-01', '2026-11-02', { price: 2 })
    t.same(other.total.cost, 4)
  },
)

void t.test('a window that ends in the future is counted up to now', async (t) => {
  const { read, asked } = bed()
  const report = await read('2026-11-01', '2026-12-01', { by: 'project' })
  t.match(report, {
    from: '2026-11-01T00:00:00.000Z',
    to: '2026-12-01T00:00:00.000Z',
    until: new Date(now).toISOString(),
  })
  t.same(asked, [
    [
      { from: Date.UTC(2026, 10, 1), to: now },
      { byProject: true, limit: 10_001 },
    ],
  ])
})

void t.test('what is not recorded, or too much, is refused with the reason', async (t) => {
  const first = now - 20 * dayMs + 0.25
  const { read } = bed({ completeSince: first })
  await t.rejects(read('2026-11-01', '2026-11-20'), {
    code: 'GRN_USAGE_NOT_KEPT',
    message: 'Not all pods before 2026-11-08T00:00:00.001Z are recorded; a window may begin there.',
  })
  await t.resolves(read('2026-11-08T00:00:00.001Z', '2026-11-20'))
  await t.rejects(bed({ completeSince: undefined }).read('2026-11-27', '2026-11-28'), {
    code: 'GRN_USAGE_NOT_KEPT',
  })
  await t.rejects(read('2026-11-20', '2026-11-19'), { code: 'GRN_USAGE_WINDOW', message: /is not before to/ })
  const many = Array.from({ length: 10_001 }, () => sum('echo-agent'))
  await t.rejects(bed({ sums: many }).read('2026-11-20', '2026-11-21'), { code: 'GRN_USAGE_TOO_LARGE' })
})

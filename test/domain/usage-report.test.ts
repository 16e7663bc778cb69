import fc from 'fast-check'
import t from 'tap'
import { type PodLife, sumLives, type UsageSum } from '../../src/domain/pod-life.ts'
import { type UsageBy, usageReport } from '../../src/domain/usage-report.ts'

const hourMs = 3_600_000
const from = Date.UTC(2026, 10, 1)
const window = { from, to: from + 24 * hourMs }
const sum = (overrides: Partial<UsageSum>): UsageSum => ({
  agentType: 'echo-agent',
  projectId: undefined,
  sessions: 0,
  sessionMs: 0,
  podMs: 0,
  startingMs: 0,
  inexactMs: 0,
  ...overrides,
})
const report = (sums: readonly UsageSum[], by: UsageBy = 'project', prices: Record<string, number> = {}) =>
  usageReport({ window, until: window.to, by, sums, priceOf: (agentType) => prices[agentType] })

/** Two projects in one pool, 3 : 1, with four idle hours between them; another pool that nobody used. */
const sums = [
  sum({ podMs: 3 * hourMs, startingMs: hourMs, inexactMs: 500 }),
  sum({ projectId: 'a', sessions: 2, sessionMs: 3 * hourMs, podMs: 3.5 * hourMs }),
  sum({ projectId: 'b', sessions: 1, sessionMs: hourMs, podMs: 1.5 * hourMs }),
  sum({ agentType: 'spare', podMs: 2 * hourMs }),
]

void t.test(
  'idle time is shared out in proportion to session time; a pool without sessions stays unshared',
  (t) => {
    const { rows, total, inexactSeconds, prices } = report(sums, 'project', { 'echo-agent': 0.1, spare: 0.5 })
    t.same(rows, [
      {
        projectId: 'a',
        agentType: undefined,
        unshared: undefined,
        sessions: 2,
        sessionSeconds: 10_800,
        idleSeconds: 10_800,
        podSeconds: 21_600,
        cost: 0.6,
      },
      {
        projectId: 'b',
        agentType: undefined,
        unshared: undefined,
        sessions: 1,
        sessionSeconds: 3_600,
        idleSeconds: 3_600,
        podSeconds: 7_200,
        cost: 0.2,
      },
      {
        projectId: undefined,
        agentType: undefined,
        unshared: true,
        sessions: 0,
        sessionSeconds: 0,
        idleSeconds: 7_200,
        podSeconds: 7_200,
        cost: 1,
      },
    ])
    t.same(total, {
      sessions: 3,
      sessionSeconds: 14_400,
      idleSeconds: 21_600,
      podSeconds: 36_000,
      cost: 1.8,
      startingSeconds: 3_600,
    })
    t.equal(inexactSeconds, 0.5)
    t.same(prices, { 'echo-agent': 0.1, spare: 0.5 })
    t.end()
  },
)

void t.test('by pool nothing is shared; by both, each project has a row for each pool', (t) => {
  t.match(report(sums, 'pool').rows, [
    { agentType: 'echo-agent', projectId: undefined, unshared: undefined, podSeconds: 28_800 },
    { agentType: 'spare', unshared: undefined, sessions: 0, idleSeconds: 7_200 },
  ])
  t.match(report(sums, 'project,pool').rows, [
    { agentType: 'echo-agent', projectId: 'a' },
    { agentType: 'echo-agent', projectId: 'b' },
    { agentType: 'spare', unshared: true },
  ])
  t.end()
})

void t.test('a cost is given only where every pool in it has a price', (t) => {
  const { rows, total } = report(sums, 'project', { 'echo-agent': 0 })
  t.same(
    rows.map(({ cost }) => cost),
    [0, 0, undefined],
  )
  t.equal(total.cost, undefined)
  t.end()
})

void t.test('sessions without a project have a row of their own, apart from what is unshared', (t) => {
  const { rows } = report([...sums, sum({ sessions: 1, sessionMs: 1, podMs: 1 })])
  t.equal(rows.length, 4)
  t.match(
    rows.find(({ projectId, unshared }) => projectId === undefined && !unshared),
    { sessions: 1 },
  )
  t.end()
})

void t.test('the order of the sums changes nothing', (t) => {
  const thirds = ['c', 'a', 'b'].map((projectId) => sum({ projectId, sessions: 1, sessionMs: 1, podMs: 1 }))
  const idle = sum({ podMs: 1 })
  t.same(report([...thirds, idle]), report([idle, ...thirds.toReversed()]))
  t.end()
})

void t.test('an empty window is a report of zeros', (t) => {
  t.match(report([]), { rows: [], total: { sessions: 0, podSeconds: 0, cost: 0 }, inexactSeconds: 0 })
  t.end()
})

const life: fc.Arbitrary<PodLife> = fc
  .tuple(fc.integer({ min: -50, max: 100 }), fc.nat(120), fc.nat(40), fc.option(fc.nat(100)))
  .chain(([born, lived, started, used]) =>
    fc.record({
      agentType: fc.constantFrom('a', 'b', 'c'),
      createdAt: fc.constant(from + born),
      readyAt: fc.constant(from + born + started),
      goneAt: fc.constantFrom(undefined, from + born + lived),
      inexactMs: fc.nat(9),
      use: fc.constant(
        used === null
          ? undefined
          : {
              projectId: `p${used % 4}`,
              claimedAt: from + born + started,
              releasedAt: used % 5 ? from + born + started + used : undefined,
            },
      ),
    }),
  )

void t.test(
  'of any lives, cut anywhere: rows add up to the total, the total to the lives, and windows to each other',
  (t) => {
    const ms = (seconds: number) => Math.round(seconds * 1_000)
    fc.assert(
      fc.property(
        fc.array(life, { maxLength: 30 }),
        fc.nat(60),
        fc.nat(60),
        fc.nat(60),
        fc.constantFrom<UsageBy>('project', 'pool', 'project,pool'),
        fc.nat(2_000_000),
        (lives, start, length, more, by, micros) => {
          const cut = (begin: number, end: number) =>
            usageReport({
              window: { from: from + begin, to: from + end },
              until: from + end,
              by,
              sums: sumLives(lives, { from: from + begin, to: from + end }),
              priceOf: () => micros / 1e6,
            })
          const whole = cut(start, start + length + more + 1)
          const exact = lives.reduce(
            (all, { createdAt, goneAt = Number.POSITIVE_INFINITY }) =>
              all +
              Math.max(
                0,
                Math.min(goneAt, from + start + length + more + 1) - Math.max(createdAt, from + start),
              ),
            0,
          )
          t.equal(ms(whole.total.podSeconds), exact)
          for (const key of ['sessions', 'sessionSeconds', 'idleSeconds', 'podSeconds'] as const)
            t.equal(
              whole.rows.reduce((all, row) => all + ms(row[key]), 0),
              ms(whole.total[key]),
              key,
            )
          const costs = whole.rows.reduce((all, row) => all + Math.round((row.cost ?? Number.NaN) * 1e6), 0)
          t.equal(costs, Math.round((whole.total.cost ?? Number.NaN) * 1e6), 'cost')
          for (const row of whole.rows)
            t.equal(ms(row.sessionSeconds) + ms(row.idleSeconds), ms(row.podSeconds))
          const parts = [cut(start, start + length), cut(start + length, start + length + more + 1)]
          for (const key of ['sessionSeconds', 'podSeconds', 'startingSeconds'] as const)
            t.equal(
              parts.reduce((all, part) => all + ms(part.total[key]), 0),
              ms(whole.total[key]),
              `borders: ${key}`,
            )
        },
      ),
      { numRuns: 200 },
    )
    t.end()
  },
)

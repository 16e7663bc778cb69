import fc from 'fast-check'
import t from 'tap'
import { type PodLife, sumLives, type UsageSum } from '../../src/domain/pod-life.ts'
import { createPostgresUsageReader, sumsSql } from '../../src/stores/postgres-usage-reader.ts'
import { writeLives } from './pod-life-rows.ts'
import { postgresFor, startDatabase } from './store-servers.ts'
import { writeManyLives } from './usage-of-many-pods.ts'

/** The statement that adds up lives, held against the pure function that says what it means. */

const database = await startDatabase(t)
const postgres = await postgresFor(t, database)
const reader = createPostgresUsageReader(postgres)
const { durable } = postgres

/** Small, so that lives, sessions and windows often meet at a border. */
const origin = Date.UTC(2026, 9, 1)
const instant = fc.integer({ min: 0, max: 40 }).map((ms) => origin + ms)
const later = (from: number) => fc.integer({ min: 0, max: 40 }).map((ms) => from + ms)
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })

const life: fc.Arbitrary<PodLife> = instant.chain((createdAt) =>
  fc.record({
    agentType: fc.constantFrom('echo-agent', 'stella-agent'),
    createdAt: fc.constant(createdAt),
    readyAt: maybe(later(createdAt)),
    goneAt: maybe(later(createdAt)),
    inexactMs: fc.constantFrom(0, 3, 2 ** 31 - 1),
    // Claims may lie before or after the life of the pod: PostgreSQL's time of a claim and the pod's are measured apart.
    use: maybe(
      later(createdAt - 5).chain((claimedAt) =>
        fc.record({
          projectId: fc.constantFrom(undefined, 'a', 'b'),
          claimedAt: fc.constant(claimedAt),
          releasedAt: maybe(later(claimedAt)),
        }),
      ),
    ),
  }),
)
const window = instant.chain((from) =>
  fc.record({ from: fc.constant(from), to: fc.integer({ min: 1, max: 50 }).map((ms) => from + ms) }),
)

function sorted(sums: readonly UsageSum[]): UsageSum[] {
  const keyOf = ({ agentType, projectId }: UsageSum) => `${agentType} ${projectId ?? '~'}`
  return [...sums].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

void t.test('PostgreSQL adds up as the pure function does, to the millisecond', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(life, { maxLength: 12 }), window, async (lives, cut) => {
      await durable.query('TRUNCATE pod_lives, pod_claims, sessions')
      await writeLives(postgres, lives)
      const found = await reader.sums(cut, { byProject: true, limit: 100 })
      t.same(sorted(found), sorted(sumLives(lives, cut)))
      const byPool = await reader.sums(cut, { byProject: false, limit: 100 })
      const withoutProjects = lives.map(({ use, ...rest }) => ({
        ...rest,
        use: use && { ...use, projectId: undefined },
      }))
      t.same(sorted(byPool), sorted(sumLives(withoutProjects, cut)))
    }),
    { numRuns: 150 },
  )
})

void t.test('a session that was never ACTIVE, or moved to another pod, used nothing', async (t) => {
  await durable.query('TRUNCATE pod_lives, pod_claims, sessions')
  const use = { projectId: 'a', claimedAt: origin + 10, releasedAt: undefined }
  const open = {
    agentType: 'echo-agent',
    createdAt: origin,
    readyAt: undefined,
    goneAt: undefined,
    inexactMs: 0,
    use,
  }
  await writeLives(postgres, [open, open, open])
  await durable.query(`UPDATE sessions SET status = 'PENDING', active_at = NULL WHERE pod_uid = 'life-0'`)
  await durable.query(`UPDATE sessions SET pod_uid = 'another' WHERE pod_uid = 'life-1'`)
  const sums = await reader.sums({ from: origin, to: origin + 100 }, { byProject: true, limit: 9 })
  t.match(sorted(sums), [
    { projectId: 'a', sessions: 1, sessionMs: 90, podMs: 100 },
    { projectId: undefined, sessions: 0, sessionMs: 0, podMs: 200 },
  ])
})

void t.test('it reads no more sums than asked for, and can write nothing', async (t) => {
  await durable.query('TRUNCATE pod_lives, pod_claims, sessions')
  const lives = Array.from({ length: 5 }, (_, at) => ({
    agentType: `type-${at}`,
    createdAt: origin,
    readyAt: undefined,
    goneAt: origin + 10,
    inexactMs: 0,
    use: undefined,
  }))
  await writeLives(postgres, lives)
  t.equal((await reader.sums({ from: origin, to: origin + 5 }, { byProject: true, limit: 3 })).length, 3)
  await t.rejects(postgres.reports.query('DELETE FROM pod_lives'), /read-only/)
})

void t.test(
  'a new database is complete from the begin of time; one of an older version says so later',
  async (t) => {
    const { now, completeSince } = await reader.coverage()
    t.equal(completeSince, Number.NEGATIVE_INFINITY)
    t.ok(Math.abs(now - Date.now()) < 5_000)
    await durable.query('UPDATE pod_life_notes SET complete_since = NULL')
    t.equal((await reader.coverage()).completeSince, undefined)
    await durable.query(`UPDATE pod_life_notes SET complete_since = to_timestamp(1000)`)
    t.equal((await reader.coverage()).completeSince, 1_000_000)
  },
)

void t.test('a window costs what is in it, not what is kept; nothing is sorted', async (t) => {
  const many = await postgresFor(t, database)
  const pods = 60_000
  await writeManyLives(many.url, { pods, days: 400 })
  const dayMs = 86_400_000
  const from = Date.now() - 390 * dayMs
  const window = { from, to: from + dayMs }
  const began = performance.now()
  const sums = await createPostgresUsageReader(many).sums(window, { byProject: true, limit: 10_001 })
  t.comment(`a day of ${pods} pods in 400 days: ${Math.round(performance.now() - began)} ms`)
  const sessions = sums.reduce((sum, { sessions }) => sum + sessions, 0)
  t.ok(Math.abs(sessions - pods / 400) <= 2, `${sessions} sessions`)
  const borders = [window.from, window.to].map((ms) => new Date(ms).toISOString())
  const explained = await many.reports.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sumsSql}`, [
    ...borders,
    true,
    10_001,
  ])
  const plan = explained.rows.map((row) => row['QUERY PLAN']).join('\n')
  t.match(plan, /Index Scan (on|using) pod_lives_span/)
  t.match(plan, /HashAggregate/)
  t.notMatch(plan, /Seq Scan on pod_lives|Sort/)
})

import { readFile } from 'node:fs/promises'
import t from 'tap'
import { createPostgres, type Postgres } from '../../src/stores/postgres-client.ts'
import { assertMigrated, migrate } from '../../src/stores/postgres-migrate.ts'
import { createPostgresPodLives } from '../../src/stores/postgres-pod-lives.ts'
import { createPostgresPoolPods } from '../../src/stores/postgres-pool-pods.ts'
import { createPostgresUsageReader } from '../../src/stores/postgres-usage-reader.ts'
import { silent } from '../support/kept-log.ts'
import { startDatabase } from './store-servers.ts'

const { server } = await startDatabase(t)

const all = [
  '0001_sessions-and-claims',
  '0002_cold-opens-liveness-and-retention',
  '0003_lease-holder',
  '0004_pool-pods',
  '0005_rooms',
  '0006_pool-sizing',
  '0007_pool-revisions',
  '0008_pod-lives',
  '0009_signing-processes',
  '0010_projects-and-keys',
  '0011_audit-log',
  '0012_numbered-events',
  '0013_event-webhooks',
  '0014_project-limits',
  '0015_what-the-leader-finds',
  '0016_timelines',
  '0017_traces',
  '0018_answered-on-acknowledgement',
  '0020_logs-with-a-border',
  '0021_logs-in-partitions',
]

void t.test('migrating twice applies everything once', async (t) => {
  const url = await server.createDatabase('twice')
  t.same(await migrate(url, silent), all)
  t.same(await migrate(url, silent), [])
})

void t.test('a migration that cannot connect says why, and not with which password', async (t) => {
  await t.rejects(migrate('postgres://nobody:hidden@127.0.0.1:1/none', silent), {
    code: 'GRN_DATABASE_UNAVAILABLE',
    message: /^PostgreSQL does not let the migration in: connect ECONNREFUSED 127\.0\.0\.1:1\.$/,
  })
})

void t.test(
  'the version before does no harm to a newer schema, when an upgrade is rolled back',
  async (t) => {
    const url = await server.createDatabase('newer')
    await migrate(url, silent)
    const postgres = createPostgres(url, silent)
    t.teardown(() => postgres.close())
    await postgres.durable.query(
      `INSERT INTO greenroom_migrations (name, run_on) VALUES ('9999_of-a-later-version', now())`,
    )
    t.same(await migrate(url, silent), [])
  },
)

void t.test('a version from before the holder of leases opens sessions that both may keep', async (t) => {
  const url = await server.createDatabase('older')
  await migrate(url, silent)
  const postgres = createPostgres(url, silent)
  t.teardown(() => postgres.close())
  // Its statement knows nothing of the column.
  const { rows } = await postgres.durable.query(`
    INSERT INTO sessions (id, status, agent_type, room_name, room, epoch, warm, lease_ms, lease_expires_at, max_ends_at)
    VALUES (gen_random_uuid(), 'PENDING', 'echo-agent', 'r', 'r', 1, true, 1000, now(), now()) RETURNING lease_held_by`)
  t.same(rows, [{ lease_held_by: 'both' }])
})

/** As a version that had only these migrations has left it. */
async function migratedTo({ durable }: Postgres, names: readonly string[]): Promise<void> {
  await durable.query(
    'CREATE TABLE greenroom_migrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)',
  )
  for (const name of names) {
    const file = new URL(`../../src/stores/migrations/${name}.sql`, import.meta.url)
    await durable.query(await readFile(file, 'utf8'))
    await durable.query(
      "INSERT INTO greenroom_migrations (name, run_on) VALUES ($1, now() - interval '1 day')",
      [name],
    )
  }
}

void t.test(
  'notes are complete from the start in a new database, and wait for a leader in an older one',
  async (t) => {
    const stateOf = async (url: string) => {
      const postgres = createPostgres(url, silent)
      t.teardown(() => postgres.close())
      return { postgres, isComplete: () => createPostgresPoolPods(postgres).isComplete() }
    }
    const fresh = await server.createDatabase('notes_fresh')
    await migrate(fresh, silent)
    t.equal(await (await stateOf(fresh)).isComplete(), true)
    const older = await server.createDatabase('notes_older')
    const { postgres, isComplete } = await stateOf(older)
    await migratedTo(postgres, all.slice(0, 3))
    t.same(await migrate(older, silent), all.slice(3))
    t.equal(await isComplete(), false)
  },
)

void t.test(
  'in a database of an older version usage is recorded from the first leader on, with the pods that it finds',
  async (t) => {
    const url = await server.createDatabase('lives_older')
    const postgres = createPostgres(url, silent)
    t.teardown(() => postgres.close())
    await migratedTo(postgres, all.slice(0, 5))
    await migrate(url, silent)
    const usage = createPostgresUsageReader(postgres)
    const before = await usage.coverage()
    t.equal(before.completeSince, undefined)
    const createdAt = before.now - 3_600_000
    const pod = { uid: 'older', agentType: 'echo-agent', createdAt, readySince: createdAt + 2_000 }
    await createPostgresPodLives(postgres).compare([pod], { open: [], listedAgoMs: 0 })
    const { completeSince = 0 } = await usage.coverage()
    t.ok(completeSince >= before.now)
    const hour = { from: createdAt - 1_000, to: createdAt + 60_000 }
    t.match(await usage.sums(hour, { byProject: true, limit: 9 }), [
      { podMs: 59_500, startingMs: 1_500, inexactMs: 500 },
    ])
  },
)

/** As the version before purged events; it may still do so while replicas are replaced. */
const formerPurgeSql = `
  DELETE FROM session_events WHERE id IN (
    SELECT e.id FROM session_events e
    WHERE e.at < now() - interval '1 ms' AND NOT EXISTS (SELECT FROM sessions s WHERE s.id = e.session_id)
    ORDER BY e.at LIMIT 1000 FOR UPDATE SKIP LOCKED)`

void t.test(
  'a filled database: rows stay as they are in the first partition, and the version before goes on',
  async (t) => {
    const url = await server.createDatabase('filled')
    const postgres = createPostgres(url, silent)
    t.teardown(() => postgres.close())
    const query = async (sql: string) => (await postgres.durable.query<Record<string, unknown>>(sql)).rows
    await migratedTo(postgres, all.slice(0, 17))
    const lesser = createPostgres(await server.createRole('lesser', 'filled'), silent)
    t.teardown(() => lesser.close())
    for (const table of ['sessions', 'session_events', 'audit_log'])
      await query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO lesser`)
    await query('GRANT SELECT, UPDATE ON project_usage TO lesser')
    const openSql = `
    INSERT INTO sessions (id, status, agent_type, room_name, room, epoch, warm, lease_ms, lease_expires_at, max_ends_at)
    VALUES (gen_random_uuid(), 'PENDING', 'echo-agent', 'r', 'r', 1, true, 1000, now(), now()) RETURNING id`
    await query(openSql)
    await query(`SELECT number_session_events(10)`)
    await query(
      `INSERT INTO audit_log SELECT '0198c0de-0000-7000-8000-000000000001', now(), 'key', 'k', 'p', 'session.open', 's'`,
    )
    // Whoever was interrupted here has left an index that is used for nothing.
    await query('CREATE INDEX sessions_live_newest ON sessions (id)')
    await query(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sessions_live_newest'::regclass`)
    const facts = 'SELECT id, xid::text, at, number, session_id FROM session_events ORDER BY id'
    const before = await query(facts)
    t.same(await migrate(url, silent), all.slice(17))
    t.same(await query(facts), before)
    t.match(await query(`SELECT pg_get_indexdef('sessions_live_newest'::regclass) AS index`), [
      { index: /created_at DESC/ },
    ])
    t.match(await query(`SELECT first FROM log_partitions('session_events')`), [{ first: true }])
    t.match(await query(`SELECT first FROM log_partitions('audit_log')`), [{ first: true }])
    const [opened] = (await lesser.durable.query<{ id: string }>(openSql)).rows
    const [{ id: highest } = {}] = await query('SELECT max(id)::int AS id FROM session_events')
    t.same([highest, (await query(facts)).length], [2, 2], 'ids go on')
    await lesser.durable.query(`DELETE FROM sessions WHERE id = '${opened?.id}'`)
    t.equal((await lesser.durable.query(formerPurgeSql)).rowCount, 1)
  },
)

void t.test('three at once: one applies, the others find it done', async (t) => {
  const url = await server.createDatabase('at_once')
  const applied = await Promise.all([migrate(url, silent), migrate(url, silent), migrate(url, silent)])
  t.same(applied.flat(), all)
})

void t.test('a database without the schema is refused, one with it is not', async (t) => {
  const url = await server.createDatabase('outdated')
  const postgres = createPostgres(url, silent)
  t.teardown(() => postgres.close())
  await t.rejects(assertMigrated(postgres.durable), {
    code: 'GRN_SCHEMA_OUTDATED',
    message: /0001_sessions-and-claims/,
  })
  await migrate(url, silent)
  await assertMigrated(postgres.durable)
  await postgres.durable.query('DELETE FROM greenroom_migrations')
  await t.rejects(assertMigrated(postgres.durable), { code: 'GRN_SCHEMA_OUTDATED' })
})

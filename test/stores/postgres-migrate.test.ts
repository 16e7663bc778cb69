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

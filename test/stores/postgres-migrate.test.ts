import t from 'tap'
import { createPostgres } from '../../src/stores/postgres-client.ts'
import { assertMigrated, migrate } from '../../src/stores/postgres-migrate.ts'
import { createPostgresPoolPods } from '../../src/stores/postgres-pool-pods.ts'
import { silent } from '../support/kept-log.ts'
import { startDatabase } from './store-servers.ts'

const { server } = await startDatabase(t)

const all = [
  '0001_sessions-and-claims',
  '0002_cold-opens-liveness-and-retention',
  '0003_lease-holder',
  '0004_pool-pods',
]

void t.test('migrating twice applies everything once', async (t) => {
  const url = await server.createDatabase('twice')
  t.same(await migrate(url, silent), all)
  t.same(await migrate(url, silent), [])
})

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
    await migrate(older, silent)
    const { postgres, isComplete } = await stateOf(older)
    // As a version without notes has left it.
    await postgres.durable.query('DROP TABLE pool_pods, pool_pod_notes')
    await postgres.durable.query(`DELETE FROM greenroom_migrations WHERE name = '0004_pool-pods'`)
    t.same(await migrate(older, silent), ['0004_pool-pods'])
    t.equal(await isComplete(), false)
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

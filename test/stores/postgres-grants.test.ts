import { Client } from 'pg'
import t from 'tap'
import { endReason } from '../../src/domain/session.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresEventLog } from '../../src/stores/postgres-event-log.ts'
import { createPostgresEventWebhooks } from '../../src/stores/postgres-event-webhooks.ts'
import { createPostgresLogPartitions } from '../../src/stores/postgres-log-partitions.ts'
import { assertMigrated, migrate } from '../../src/stores/postgres-migrate.ts'
import { createPostgresReplicaLiveness } from '../../src/stores/postgres-replica-liveness.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { keptLog, silent } from '../support/kept-log.ts'
import { notePods } from '../support/noted-pods.ts'
import { newRecord, podNamed } from './open-records.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)
const { server } = database
const owner = await server.createDatabase('with_roles')
const url = await server.createRole('lesser', 'with_roles')
await Promise.all([1, 2, 3].map(() => migrate(owner, silent, { role: 'lesser' })))

async function rowsOf(connectionString: string, sql: string): Promise<object[]> {
  const client = new Client({ connectionString })
  await client.connect()
  try {
    return (await client.query<object>(sql)).rows
  } finally {
    await client.end()
  }
}

void t.test('the role of the server may change no schema, and grant itself nothing', async (t) => {
  for (const sql of [
    'CREATE TABLE mine (x int)',
    'DROP TABLE pod_claims',
    'ALTER TABLE sessions ADD COLUMN x int',
    'ALTER TABLE sessions DISABLE TRIGGER session_opened',
    'CREATE INDEX mine ON sessions (id)',
    'CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
    'CREATE OR REPLACE FUNCTION note_session_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
    'TRUNCATE sessions',
    'CREATE ROLE another',
    `INSERT INTO greenroom_migrations (name, run_on) VALUES ('0012_planted', now())`,
    'DELETE FROM greenroom_migrations',
    'DELETE FROM renewal_service',
    'DELETE FROM event_numbers',
    `UPDATE audit_log SET actor_id = 'somebody else'`,
    'DELETE FROM pool_pod_notes',
  ])
    await t.rejects(rowsOf(url, sql), { code: '42501' }, sql)
  // PostgreSQL answers this with a warning.
  await rowsOf(url, 'GRANT SELECT ON sessions TO PUBLIC')
  await server.createRole('stranger', 'with_roles')
  t.match(await rowsOf(owner, `SELECT has_table_privilege('stranger', 'sessions', 'SELECT') AS yes`), [
    { yes: false },
  ])
})

void t.test('it opens, renews, ends and purges sessions as ever', async (t) => {
  const postgres = await postgresFor(t, database, { url })
  await assertMigrated(postgres.durable)
  const store = createPostgresSessionStore(postgres)
  const ledger = createPostgresClaimLedger(postgres)
  await createPostgresReplicaLiveness(postgres).note('api-1')
  const [record, failing, next] = [newRecord(), newRecord(), podNamed('next')]
  await notePods(postgres, [record.pod.uid, failing.pod.uid, next.uid])
  t.match(await store.commitOpen(record), { kind: 'committed' })
  t.ok(await store.activate(record.id, 1))
  t.match(await store.renew(record.id, 1), { kind: 'done' })
  t.match(await store.beginEnding(record.id, endReason.caller), { kind: 'done' })
  await ledger.finishEnding([record.id])
  const outcome = await store.commitOpen(failing)
  if (outcome.kind !== 'committed') throw new Error(outcome.kind)
  const attempt = { pod: next, epoch: 2, reason: 'refused' }
  t.match(await store.commitNextAttempt(outcome.session, attempt), { kind: 'committed' })
  await ledger.retire(['idle'], 'surplus')
  await ledger.noteGone([])
  await rowsOf(owner, `UPDATE pod_claims SET gone_at = now() - interval '2 days'`)
  await rowsOf(owner, `UPDATE sessions SET ended_at = ended_at - interval '2 days'`)
  await rowsOf(owner, `UPDATE session_events SET at = at - interval '2 days'`)
  const log = createPostgresEventLog(postgres)
  t.equal(await log.number(), 'done')
  await log.note({ type: 'pool.recovered', agentType: 'echo-agent' }, 'once')
  t.equal(await log.purge({ afterMs: 1_000, limit: 100 }), 0)
  const webhooks = createPostgresEventWebhooks(postgres)
  const webhook = { id: record.id, projectId: 'p', url: 'https://h/', types: undefined, position: undefined }
  t.match(await webhooks.create(webhook, 1, { kind: 'api-key', id: 'k' }), { position: 7 })
  await webhooks.settle(record.id, 7, { kind: 'delivered', position: 7 })
  t.ok(await webhooks.remove(record.id, 'p', { kind: 'api-key', id: 'k' }))
  const purged = await ledger.purge({ sessionsAfterMs: 1_000, claimsAfterMs: 1_000, limit: 100 })
  t.match(purged, { sessions: 1 })
  t.ok(purged.claims > 0 && purged.events > 0)
})

void t.test(
  'every table of the schema has its rights; partitions are reached by their table alone',
  async (t) => {
    const without = await rowsOf(
      owner,
      `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
       AND has_table_privilege('lesser', oid, 'SELECT') = relispartition`,
    )
    t.same(without, [])
  },
)

void t.test('it makes and drops partitions of the logs, and of no other table', async (t) => {
  const partitions = createPostgresLogPartitions(await postgresFor(t, database, { url }))
  t.equal(await partitions.add('session_events', 1), 0)
  t.equal(await partitions.dropOldest('audit_log', 0), undefined, 'nothing younger than a day')
  for (const sql of [
    "SELECT add_log_partitions('sessions', 1)",
    "SELECT drop_log_partition('session_events; DROP TABLE sessions', interval '1 day')",
  ])
    await t.rejects(rowsOf(url, sql), { code: /^42(P01|P17|601|602|809)$/ }, sql)
  t.match(await rowsOf(url, `SELECT drop_log_partition('pod_claims', interval '1 day') AS rows`), [
    { rows: null },
  ])
  await server.createRole('onlooker', 'with_roles')
  t.match(
    await rowsOf(
      owner,
      `SELECT has_function_privilege('onlooker', oid, 'EXECUTE') AS yes FROM pg_proc WHERE prosecdef`,
    ),
    [{ yes: false }, { yes: false }, { yes: false }, { yes: false }],
  )
})

void t.test(
  'a role that is not there is named, with the way to make it; the owner needs nothing',
  async (t) => {
    await t.rejects(migrate(owner, silent, { role: 'no"body' }), {
      code: 'GRN_INVALID_CONFIG',
      message: /no role "no""body"\. Create it first: CREATE ROLE "no""body" LOGIN/,
    })
    t.same(await migrate(owner, silent, { role: 'greenroom' }), [])
    t.match(await rowsOf(owner, `SELECT has_table_privilege('greenroom', 'sessions', 'TRUNCATE') AS yes`), [
      { yes: true },
    ])
  },
)

void t.test('a role that may create tables is warned of', async (t) => {
  await rowsOf(owner, 'GRANT CREATE ON SCHEMA public TO PUBLIC')
  const { logger, lines } = keptLog()
  await migrate(owner, logger, { role: 'lesser' })
  t.match(JSON.stringify(lines), /may create tables: REVOKE CREATE ON SCHEMA/)
  await rowsOf(owner, 'REVOKE CREATE ON SCHEMA public FROM PUBLIC')
})

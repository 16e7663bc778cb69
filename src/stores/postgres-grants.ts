import { type Client, escapeIdentifier } from 'pg'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'

/**
 * What the session server may do with each table: read and write rows, and nothing else. A server that is taken over can
 * then neither drop a table nor plant a trigger. A new table needs a line here; a test finds one that has none.
 */
const rights = {
  sessions: 'SELECT, INSERT, UPDATE, DELETE',
  pod_claims: 'SELECT, INSERT, UPDATE, DELETE',
  // UPDATE is for the locks of the purge: SELECT … FOR UPDATE asks for it.
  session_events: 'SELECT, INSERT, UPDATE, DELETE',
  event_numbers: 'SELECT, UPDATE',
  platform_events: 'SELECT, INSERT, UPDATE, DELETE',
  event_webhooks: 'SELECT, INSERT, UPDATE, DELETE',
  renewal_service: 'SELECT, UPDATE',
  pool_pods: 'SELECT, INSERT, UPDATE, DELETE',
  pool_pod_notes: 'SELECT, UPDATE',
  pool_revisions: 'SELECT, INSERT, UPDATE, DELETE',
  pool_rollouts: 'SELECT, INSERT, UPDATE, DELETE',
  pod_lives: 'SELECT, INSERT, UPDATE, DELETE',
  pod_life_notes: 'SELECT, UPDATE',
  pool_sizing: 'SELECT, INSERT, UPDATE, DELETE',
  pool_decisions: 'SELECT, INSERT, DELETE',
  signing_processes: 'SELECT, INSERT, UPDATE, DELETE',
  // Nobody changes what was noted.
  audit_log: 'SELECT, INSERT, DELETE',
  api_keys: 'SELECT, INSERT, UPDATE, DELETE',
  api_key_revision: 'SELECT, UPDATE',
  project_limits: 'SELECT, INSERT, UPDATE, DELETE',
  project_usage: 'SELECT, INSERT, UPDATE, DELETE',
  leader_report: 'SELECT, INSERT, UPDATE',
  pool_history: 'SELECT, INSERT, DELETE',
  greenroom_migrations: 'SELECT',
} as const

/**
 * What it may call with the rights of the owner: partitions are tables, and it makes and drops them by these alone. They take
 * no other table, and what is younger than a day they leave.
 */
const functions = [
  'add_log_partitions(text, integer)',
  'drop_log_partition(text, interval)',
  'forget_session_events(uuid[])',
  'purge_audit_rests(interval, integer)',
] as const

/** Gives the role of the session server its rights; may be repeated. Nothing to do for the owner of the schema. */
export async function grantRows(client: Client, role: string, logger: Logger): Promise<void> {
  const name = escapeIdentifier(role)
  const found = await client.query<{ isOwner: boolean; schema: string }>(
    'SELECT rolname = current_user AS "isOwner", current_schema() AS schema FROM pg_roles WHERE rolname = $1',
    [role],
  )
  const [present] = found.rows
  if (!present) {
    const message = `The database has no role ${name}. Create it first: CREATE ROLE ${name} LOGIN PASSWORD '…'.`
    throw new GreenroomError('GRN_INVALID_CONFIG', message)
  }
  if (present.isOwner) return
  const schema = escapeIdentifier(present.schema)
  // All at once: a server that runs meanwhile must not be without its rights for a moment.
  await client.query('BEGIN')
  try {
    // Two migrations that change the rights of one table together fail in PostgreSQL's catalogue.
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('greenroom grants'))`)
    await client.query(`GRANT USAGE ON SCHEMA ${schema} TO ${name}`)
    for (const [table, these] of Object.entries(rights)) {
      await client.query(`REVOKE ALL ON ${schema}.${table} FROM ${name}`)
      await client.query(`GRANT ${these} ON ${schema}.${table} TO ${name}`)
    }
    for (const callable of functions)
      await client.query(`GRANT EXECUTE ON FUNCTION ${schema}.${callable} TO ${name}`)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
  const mayCreate = await client.query<{ yes: boolean }>(
    `SELECT has_schema_privilege($1, $2, 'CREATE') AS yes`,
    [role, present.schema],
  )
  // As in databases that began before PostgreSQL 15, where everybody may.
  if (mayCreate.rows[0]?.yes)
    logger.warn(
      { role, schema: present.schema },
      'this role may create tables: REVOKE CREATE ON SCHEMA … FROM PUBLIC',
    )
}

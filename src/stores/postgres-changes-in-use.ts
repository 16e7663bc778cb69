import { type Client, escapeIdentifier } from 'pg'

/** Indexes of tables that may have a million rows: built in the usual way, each would keep claims waiting for seconds. */
const indexes = {
  // Lists of sessions that are not over; see postgres-session-list.ts.
  sessions_live_newest: `sessions (created_at DESC, id DESC) WHERE status IN ('PENDING', 'ACTIVE', 'ENDING')`,
  sessions_newest_of_project_type:
    'sessions (project_id, agent_type, created_at DESC, id DESC) WHERE project_id IS NOT NULL',
} as const

const halfBuiltSql = `
  SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  WHERE NOT i.indisvalid AND c.relname = ANY ($1) AND c.relnamespace = current_schema()::regnamespace`

const unprovenSql = `
  SELECT conrelid::regclass AS table, conname AS name FROM pg_constraint
  WHERE NOT convalidated AND connamespace = current_schema()::regnamespace`

/**
 * Changes of the schema that read whole tables, each in a way that keeps nobody waiting, and therefore outside of a
 * transaction. May be repeated: an index whose building was interrupted is there, used for nothing, and built anew.
 */
export async function changeWhileInUse(client: Client): Promise<void> {
  const halfBuilt = await client.query<{ name: string }>(halfBuiltSql, [Object.keys(indexes)])
  for (const { name } of halfBuilt.rows)
    await client.query(`DROP INDEX CONCURRENTLY ${escapeIdentifier(name)}`)
  for (const [name, definition] of Object.entries(indexes))
    await client.query(`CREATE INDEX CONCURRENTLY IF NOT EXISTS ${name} ON ${definition}`)
  const unproven = await client.query<{ table: string; name: string }>(unprovenSql)
  for (const { table, name } of unproven.rows)
    await client.query(`ALTER TABLE ${table} VALIDATE CONSTRAINT ${escapeIdentifier(name)}`)
}

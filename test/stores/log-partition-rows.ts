import type { ClientBase, Pool } from 'pg'
import type { PartitionedLog } from '../../src/domain/log-partitions.ts'

/** Partitions of long ago for tests, as `add_log_partitions` would have made them then. */

const dayMs = 86_400_000

/** Midnight UTC, so many days ago. */
export function midnight(daysAgo: number): Date {
  return new Date(Math.floor(Date.now() / dayMs - daysAgo) * dayMs)
}

/** The partition of one day; resolves with its name. */
export async function makePartition(
  database: Pool | ClientBase,
  log: PartitionedLog,
  daysAgo: number,
): Promise<string> {
  const [from, to] = [midnight(daysAgo), midnight(daysAgo - 1)]
  const name = `${log}_${to.toISOString().slice(0, 10).replaceAll('-', '')}`
  const { rows } = await database.query<{ from: string; to: string }>(
    'SELECT log_bound($1, $2) AS from, log_bound($1, $3) AS to',
    [log, from, to],
  )
  await database.query(
    `CREATE TABLE ${name} (LIKE ${log}_kept INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)`,
  )
  await database.query(
    `ALTER TABLE ${log} ATTACH PARTITION ${name} FOR VALUES FROM (${rows[0]?.from}) TO (${rows[0]?.to})`,
  )
  return name
}

/** Partitions that are named after a day, oldest first, and how many rows each part of the log has. */
export async function partsOf(database: Pool, log: PartitionedLog): Promise<Record<string, number>> {
  const { rows } = await database.query<{ part: string; rows: number }>(
    `SELECT i.inhrelid::regclass::text AS part, count(l.*)::int AS rows
     FROM pg_inherits i LEFT JOIN ${log} l ON l.tableoid = i.inhrelid
     WHERE i.inhparent = '${log}'::regclass GROUP BY 1 ORDER BY 1`,
  )
  return Object.fromEntries(rows.map(({ part, rows }) => [part, rows]))
}

/** Moves a session and its events into the past; its events go to the partition of that time. */
export async function ageSession(database: Pool, id: string, hours: number): Promise<void> {
  const times = ['created_at', 'active_at', 'ending_at', 'ended_at'].map(
    (at) => `${at} = ${at} - $2 * interval '1 hour'`,
  )
  await database.query(`UPDATE sessions SET ${times.join(', ')} WHERE id = $1`, [id, hours])
  await database.query(`UPDATE session_events SET at = at - $2 * interval '1 hour' WHERE session_id = $1`, [
    id,
    hours,
  ])
}

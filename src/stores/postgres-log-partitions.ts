import type { LogPartitions } from '../domain/log-partitions.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'

const addSql = 'SELECT add_log_partitions($1, $2) AS count'
// bigint comes as text.
const dropSql = `SELECT drop_log_partition($1, $2::float8 * interval '1 ms')::float8 AS rows`

/** The partitions of `session_events` and `audit_log`: see migration 0021. */
export function createPostgresLogPartitions({ durable }: Pick<Postgres, 'durable'>): LogPartitions {
  async function row<T extends object>(
    name: string,
    text: string,
    values: unknown[],
  ): Promise<T | undefined> {
    try {
      return (await runStatement<T & Record<string, unknown>>(durable, { name, text, values }))[0]
    } catch (error) {
      throw databaseError(error)
    }
  }
  return {
    async add(log, days) {
      const made = await row<{ count: number }>('log-partitions-add', addSql, [log, days])
      return made?.count ?? 0
    },
    async dropOldest(log, afterMs) {
      const dropped = await row<{ rows: number | null }>('log-partition-drop', dropSql, [log, afterMs])
      return dropped?.rows ?? undefined
    },
  }
}

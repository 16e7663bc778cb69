import type { SessionStore } from '../domain/session-ports.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'
import { type SessionRow, sessionFacts, sessionFrom } from './session-row.ts'

// In no order: sessions whose pods cannot be asked must not hold up the others. By the index sessions_unsettled.
const unsettledSql = `
  SELECT ${sessionFacts}, (extract(epoch FROM now() - s.claimed_at) * 1000)::float8 AS age_ms
  FROM sessions s
  WHERE status = 'PENDING' AND opener IS NOT NULL AND claimed_at <= now() - $1::float8 * interval '1 ms'
  ORDER BY random() LIMIT $2`

/** Finds sessions that are PENDING although their callers may have been told of them. */
export function createPostgresUnsettledSessions({
  durable,
}: Pick<Postgres, 'durable'>): SessionStore['unsettled'] {
  return async function unsettled({ olderThanMs, limit }) {
    const statement = { name: 'sessions-unsettled', text: unsettledSql, values: [olderThanMs, limit] }
    try {
      const rows = await runStatement<SessionRow & { age_ms: number }>(durable, statement)
      return rows.map((row) => ({ session: sessionFrom(row), ageMs: row.age_ms }))
    } catch (error) {
      throw databaseError(error)
    }
  }
}

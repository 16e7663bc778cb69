import type { Pool } from 'pg'
import type { Session } from '../domain/session.ts'
import { databaseError, runStatement, violatedConstraint } from './postgres-client.ts'
import { type SessionRow, sessionColumns, sessionFrom } from './session-row.ts'

/** A statement that answers with sessions, and the connections it runs on. */
interface SessionQueryText {
  readonly pool: Pool
  readonly name: string
  readonly text: string
  readonly values: readonly unknown[]
}

/** Rejects with a violated constraint as it is, because callers branch on it; all other errors are mapped here. */
export async function manySessions({ pool, name, text, values }: SessionQueryText): Promise<Session[]> {
  try {
    return (await runStatement<SessionRow>(pool, { name, text, values: [...values] })).map(sessionFrom)
  } catch (error) {
    throw violatedConstraint(error) === undefined ? databaseError(error) : error
  }
}

export async function oneSession(query: SessionQueryText): Promise<Session | undefined> {
  return (await manySessions(query))[0]
}

/** With a project, a session of another one is not there: the same statement, so that nothing tells the two apart. */
export function readSession(pool: Pool, id: string, projectId?: string): Promise<Session | undefined> {
  const text = `SELECT ${sessionColumns} FROM sessions s WHERE id = $1 AND ($2::text IS NULL OR project_id = $2)`
  return oneSession({ pool, name: 'session-get', text, values: [id, projectId] })
}

/** Those of them that are there, in no order. */
export function readSessions(pool: Pool, ids: readonly string[]): Promise<Session[]> {
  const text = `SELECT ${sessionColumns} FROM sessions s WHERE id = ANY ($1::uuid[])`
  return manySessions({ pool, name: 'sessions-get', text, values: [ids] })
}

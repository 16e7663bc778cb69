import type { Pool } from 'pg'
import type { Session, SessionStatus } from '../domain/session.ts'
import type { SessionQuery } from '../domain/session-ports.ts'
import { manySessions } from './session-query.ts'
import { sessionFacts } from './session-row.ts'

/**
 * Names of pods and rooms have no index, which would cost every open; so they are looked for among the newest sessions only:
 * 20,000 rows in 25 ms.
 */
const searchedByName = 20_000
/** The beginning of an id of version 7 is a time, and many sessions may share it. */
const foundById = 1_000

/** The last millisecond of a JavaScript Date, in the year 275760. PostgreSQL's calendar goes a little further. */
const latestTimeMs = 8.64e15

/**
 * A constant, so that PostgreSQL sees which partial index it may use. Sessions that are not over are found in
 * sessions_live_newest, whatever else is asked for: see {@link hidden}.
 */
const statusConditions: Readonly<Record<SessionStatus, string>> = {
  PENDING: "status = 'PENDING'",
  ACTIVE: "status = 'ACTIVE'",
  ENDING: "status = 'ENDING'",
  ENDED: "status = 'ENDED'",
}

/** An expression that no index has. Of a project's million ended sessions none is read to find the live ones. */
const hidden = (column: string) => `(${column} || '')`

/**
 * A page of sessions, newest first. Each set of filters is a statement of its own, and each of these begins at its place in
 * one index. One statement for all of them (`$1 IS NULL OR …`) read every session before the cursor: 0.2 s beside a
 * million on quiet cores, and on busy ones longer than a statement may take.
 */
export function listSessionRows(pool: Pool, query: SessionQuery): Promise<Session[]> {
  const { status, projectId, agentType, search, before, limit } = query
  const values: unknown[] = []
  const value = (given: unknown) => `$${values.push(given)}`
  const isLive = status !== undefined && status !== 'ENDED'
  const column = (name: string) => (isLive || search !== undefined ? hidden(name) : name)
  const conditions = ['true']
  if (search !== undefined) conditions.push(`id IN (${foundSql(value, search, projectId)})`)
  if (status !== undefined) conditions.push(statusConditions[status])
  if (projectId !== undefined) conditions.push(`${column('project_id')} = ${value(projectId)}`)
  if (agentType !== undefined) conditions.push(`${column('agent_type')} = ${value(agentType)}`)
  if (before !== undefined) {
    // Cursors come from outside: a time beyond PostgreSQL's calendar must not be an error.
    const createdAt = value(Math.min(Math.max(before.createdAt, 0), latestTimeMs))
    conditions.push(
      `(created_at, id) < (to_timestamp(${createdAt}::float8 / 1000), ${value(before.id)}::uuid)`,
    )
  }
  const text = `
    SELECT ${sessionFacts} FROM sessions s WHERE ${conditions.join(' AND ')}
    ORDER BY created_at DESC, id DESC LIMIT ${value(limit)}`
  return manySessions({ pool, name: nameOf(query), text, values })
}

/** The ids that a search finds, in the project if one is given. */
function foundSql(value: (given: unknown) => string, search: string, projectId: string | undefined): string {
  const [lowest, highest] = idsBeginningWith(search)
  const ofProject = projectId === undefined ? 'true' : `project_id = ${value(projectId)}`
  return `
    (SELECT id FROM sessions WHERE id BETWEEN ${value(lowest)}::uuid AND ${value(highest)}::uuid
      ORDER BY id DESC LIMIT ${foundById})
    UNION
    SELECT id FROM (
      SELECT id, pod_name, room_name, room FROM sessions WHERE ${ofProject}
      ORDER BY created_at DESC, id DESC LIMIT ${searchedByName}
    ) newest
    WHERE ${value(search)} IN (pod_name, room_name, room)`
}

/** PostgreSQL keeps a plan for each name, so queries with the same filters have the same one. */
function nameOf({ status, projectId, agentType, search, before }: SessionQuery): string {
  const filters = { project: projectId, type: agentType, search, before }
  const given = Object.entries(filters).flatMap(([name, filter]) => (filter === undefined ? [] : name))
  return ['session-list', status?.toLowerCase(), ...given].filter((part) => part !== undefined).join('-')
}

/** The lowest and the highest id that begin so; nothing of what cannot be the beginning of an id, or of too many. */
function idsBeginningWith(text: string): readonly [string | undefined, string | undefined] {
  const digits = text.toLowerCase().replaceAll('-', '')
  if (!/^[0-9a-f]{8,32}$/.test(digits)) return [undefined, undefined]
  return [digits.padEnd(32, '0'), digits.padEnd(32, 'f')]
}

import type { Pool } from 'pg'
import type { Session } from '../domain/session.ts'
import type { SessionQuery } from '../domain/session-ports.ts'
import { manySessions } from './session-query.ts'
import { sessionFacts } from './session-row.ts'

const listSql = (condition: string) => `
  SELECT ${sessionFacts} FROM sessions s
  WHERE ${condition} AND ($1::text IS NULL OR status = $1) AND ($3::text IS NULL OR agent_type = $3)
    AND ($4::float8 IS NULL OR (created_at, id) < (to_timestamp($4::float8 / 1000), $5::uuid))
  ORDER BY created_at DESC, id DESC
  LIMIT $6`
/** Conditions of their own: with `$2 IS NULL OR …` PostgreSQL would read every project's sessions. */
const all = '$2::text IS NULL'
const project = 'project_id = $2'

/**
 * Names of pods and rooms have no index, which would cost every open; so they are looked for among the newest sessions only:
 * 20,000 rows in 25 ms.
 */
const searchedByName = 20_000
/** The beginning of an id of version 7 is a time, and many sessions may share it. */
const foundById = 1_000

const searchSql = (ofProject: string) => `
  WITH found AS (
    (SELECT id FROM sessions WHERE id BETWEEN $8::uuid AND $9::uuid ORDER BY id DESC LIMIT ${foundById})
    UNION
    SELECT id FROM (
      SELECT id, pod_name, room_name, room FROM sessions WHERE ${ofProject}
      ORDER BY created_at DESC, id DESC LIMIT ${searchedByName}
    ) newest
    WHERE $7 IN (pod_name, room_name, room)
  )
  ${listSql(`id IN (SELECT id FROM found) AND ${ofProject}`)}`

const statements = {
  list: { all: listSql(all), project: listSql(project) },
  search: { all: searchSql(all), project: searchSql(project) },
} as const

/** The last millisecond of a JavaScript Date, in the year 275760. PostgreSQL's calendar goes a little further. */
const latestTimeMs = 8.64e15

/** A page of sessions, newest first. */
export function listSessionRows(pool: Pool, query: SessionQuery): Promise<Session[]> {
  const { status, projectId, agentType, search, before, limit } = query
  // Cursors come from outside: a time beyond PostgreSQL's calendar must not be an error.
  const createdAt = before && Math.min(Math.max(before.createdAt, 0), latestTimeMs)
  const values: unknown[] = [status, projectId, agentType, createdAt, before?.id, limit]
  const kind = search === undefined ? 'list' : 'search'
  const whose = projectId === undefined ? 'all' : 'project'
  if (search !== undefined) values.push(search, ...idsBeginningWith(search))
  return manySessions({ pool, name: `session-${kind}-${whose}`, text: statements[kind][whose], values })
}

/** The lowest and the highest id that begin so; nothing of what cannot be the beginning of an id, or of too many. */
function idsBeginningWith(text: string): readonly [string | undefined, string | undefined] {
  const digits = text.toLowerCase().replaceAll('-', '')
  if (!/^[0-9a-f]{8,32}$/.test(digits)) return [undefined, undefined]
  return [digits.padEnd(32, '0'), digits.padEnd(32, 'f')]
}

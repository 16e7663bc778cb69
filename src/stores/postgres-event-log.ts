import type { GreenroomEvent } from '../domain/event.ts'
import type { EventLog, NumberedEvent, Numbering } from '../domain/event-ports.ts'
import type { SessionStatus } from '../domain/session.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'

/** Events that get their numbers in one transaction: some 10 ms of it. */
const numberedAtOnce = 500
/**
 * Rows that one read looks at: some 70 KB. A follower gets a page in one turn of the event loop, and must not seem slow
 * because of it.
 */
const pageRows = 200

interface EventRow {
  number: string
  at: Date
  type: string
  project_id: string | null
  agent_type: string | null
  session_id: string | null
  status: SessionStatus | null
  epoch: number | null
  pod_uid: string | null
  end_reason: string | null
  traceparent: string | null
  detail: object | null
  passes: boolean
}

const sessionType = `'session.' || CASE kind WHEN 'status' THEN lower(status) ELSE kind END`

const sessionRows = `
  SELECT number, at, ${sessionType} AS type, project_id, agent_type, session_id, status, epoch, pod_uid, end_reason,
    traceparent, NULL::jsonb AS detail
  FROM session_events`

const platformRows = `
  SELECT number, at, type, project_id, agent_type, NULL::uuid, NULL, NULL::integer, NULL, NULL, NULL, detail
  FROM platform_events`

// The last row of a page comes even if it does not pass: it says where the next page begins. A filter that few events pass
// then costs no longer statement, only more pages.
const pageSql = `
  WITH page AS (
    SELECT * FROM (
      (${sessionRows} WHERE number > $1 ORDER BY number LIMIT $2) UNION ALL
      (${platformRows} WHERE number > $1 ORDER BY number LIMIT $2)) AS both_logs
    ORDER BY number LIMIT $2
  ), judged AS (
    SELECT *, ($3::text IS NULL OR project_id = $3) AND ($4::text IS NULL OR agent_type = $4)
      AND ($5::text[] IS NULL OR type = ANY ($5)) AND ($6 OR type NOT LIKE 'pool.%') AS passes,
      count(*) OVER () AS size
    FROM page
  )
  SELECT * FROM judged WHERE passes IS TRUE OR number = (SELECT max(number) FROM page) ORDER BY number`

// By the index on session_id, in the partitions since the session began. A session has a handful of events. Those of an
// earlier session under the same key, whose record is purged, are not among them.
const sessionPageSql = `
  SELECT *, true AS passes, count(*) OVER () AS size FROM (
    ${sessionRows}
    WHERE session_id = $1 AND number > $2
      AND at >= (SELECT created_at - interval '1 minute' FROM sessions WHERE id = $1)
    ORDER BY number LIMIT $3) AS page ORDER BY number`

const noteSql = `
  WITH taken AS (
    UPDATE event_numbers SET last = last + 1
    WHERE $5::text IS NULL OR NOT EXISTS (SELECT FROM platform_events WHERE mark = $5)
    RETURNING last
  )
  INSERT INTO platform_events (number, type, project_id, agent_type, detail, mark)
  SELECT last, $1, $2, $3, $4, $5 FROM taken
  ON CONFLICT (mark) DO NOTHING`

const purgeSql = `
  WITH deleted AS (
    DELETE FROM platform_events WHERE number IN (
      SELECT number FROM platform_events WHERE at < now() - $1::float8 * interval '1 ms'
      ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING number
  ), noted AS (
    UPDATE event_numbers SET purged = highest
    FROM (SELECT max(number) AS highest FROM deleted) AS d WHERE highest > purged
  )
  SELECT FROM deleted`

/** `session_events` and `platform_events` as one log. */
export function createPostgresEventLog({ durable }: Pick<Postgres, 'durable'>): EventLog {
  async function rows<T extends object>(name: string, text: string, values: unknown[]): Promise<T[]> {
    try {
      return await runStatement<T & Record<string, unknown>>(durable, { name, text, values })
    } catch (error) {
      throw databaseError(error)
    }
  }

  return {
    async number(): Promise<Numbering> {
      // Durable: a number that a follower was told must not be given again after a crash.
      const text = 'SELECT number_session_events($1) AS count'
      const [row] = await rows<{ count: number }>('events-number', text, [numberedAtOnce])
      const count = row?.count ?? 0
      if (count < 0) return 'busy'
      if (count === 0) return 'nothing'
      return count === numberedAtOnce ? 'more' : 'done'
    },

    async read(after, filter = {}) {
      const { sessionId, projectId, agentType, types, pools = true } = filter
      const found =
        sessionId === undefined
          ? await rows<EventRow & { size: string }>('events-page', pageSql, [
              after,
              pageRows,
              projectId,
              agentType,
              types && [...types],
              pools,
            ])
          : await rows<EventRow & { size: string }>('events-of-session', sessionPageSql, [
              sessionId,
              after,
              pageRows,
            ])
      const last = found.at(-1)
      return {
        events: found.filter((row) => row.passes).map(numberedEvent),
        through: last ? Number(last.number) : after,
        hasMore: Number(last?.size ?? 0) === pageRows,
      }
    },

    async bounds() {
      const text = 'SELECT last, purged FROM event_numbers'
      const [row] = await rows<{ last: string; purged: string }>('events-bounds', text, [])
      return { last: Number(row?.last ?? 0), purged: Number(row?.purged ?? 0) }
    },

    async note(event, mark) {
      const { type, ...facts } = event
      const { projectId, agentType, ...detail } = facts as {
        projectId?: string
        agentType?: string
      } & Record<string, unknown>
      await rows('events-note', noteSql, [type, projectId, agentType, JSON.stringify(detail), mark])
    },

    async purge({ afterMs, limit }) {
      return (await rows('events-purge', purgeSql, [afterMs, limit])).length
    },
  }
}

function numberedEvent(row: EventRow): NumberedEvent {
  const shared = {
    id: row.number,
    type: row.type,
    at: row.at.toISOString(),
    ...(row.project_id !== null && { projectId: row.project_id }),
    ...(row.agent_type !== null && { agentType: row.agent_type }),
  }
  const event =
    row.session_id === null
      ? { ...shared, ...row.detail }
      : {
          ...shared,
          sessionId: row.session_id,
          status: row.status,
          epoch: row.epoch,
          ...(row.pod_uid !== null && { podUid: row.pod_uid }),
          ...(row.end_reason !== null && { endReason: row.end_reason }),
          ...(row.traceparent !== null && { traceparent: row.traceparent }),
        }
  return { number: Number(row.number), event: event as GreenroomEvent }
}

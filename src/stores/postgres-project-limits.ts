import type { PoolClient, QueryResultRow } from 'pg'
import type { LimitedProject, ProjectLimitStore, ProjectLimits } from '../domain/project-limits.ts'
import { auditAppend } from './postgres-audit-log.ts'
import { databaseError, type Postgres } from './postgres-client.ts'
import { miscountsSql } from './project-usage.ts'
import { ms } from './session-row.ts'

interface LimitRow {
  project_id: string
  max_sessions: number | null
  opens_per_minute: number | null
  max_waiting: number | null
  changed_ms: number
  live: number | null
}

const select = `
  SELECT l.project_id, max_sessions, opens_per_minute, max_waiting, ${ms('changed_at', 'changed_ms')}, live
  FROM project_limits l LEFT JOIN project_usage u ON u.project_id = l.project_id`

// The partial index sessions_live_pod holds just these.
const liveSql = `
  SELECT count(*)::integer FROM sessions WHERE status IN ('PENDING', 'ACTIVE', 'ENDING') AND project_id = $1`

const setLimitsSql = `
  INSERT INTO project_limits (project_id, max_sessions, opens_per_minute, max_waiting) VALUES ($1, $2, $3, $4)
  ON CONFLICT (project_id) DO UPDATE SET max_sessions = excluded.max_sessions,
    opens_per_minute = excluded.opens_per_minute, max_waiting = excluded.max_waiting, changed_at = now()`

const lowerSql = `
  UPDATE project_usage SET most = $2, ceiling = greatest($2, live) WHERE project_id = $1 RETURNING project_id`

const beginCountSql = `
  INSERT INTO project_usage (project_id, live, most, ceiling)
  SELECT $1, live, $2, greatest($2, live) FROM (SELECT (${liveSql}) AS live) AS counted`

const recountSql = `
  UPDATE project_usage SET live = counted.live, ceiling = greatest(most, counted.live)
  FROM (SELECT (${liveSql}) AS live) AS counted WHERE project_id = $1`

/** `project_limits`, and the begin and end of the count in `project_usage`. */
export function createPostgresProjectLimits({ durable }: Pick<Postgres, 'durable'>): ProjectLimitStore {
  async function rows<T extends QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> {
    try {
      return (await durable.query<T>(text, values)).rows
    } catch (error) {
      throw databaseError(error)
    }
  }

  async function transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    let client: PoolClient | undefined
    try {
      client = await durable.connect()
      await client.query('BEGIN')
      const result = await work(client)
      await client.query('COMMIT')
      client.release()
      return result
    } catch (error) {
      // The connection is dropped: the transaction may still be open on it.
      client?.release(true)
      throw databaseError(error)
    }
  }

  /**
   * Nobody else changes limits meanwhile. A project whose sessions were not counted so far is counted while nobody opens
   * or ends a session: all that ran before have committed, and all that come after see the row.
   */
  async function setMost(client: PoolClient, projectId: string, most: number | undefined): Promise<void> {
    if (most === undefined) {
      await client.query('DELETE FROM project_usage WHERE project_id = $1', [projectId])
      return
    }
    if ((await client.query(lowerSql, [projectId, most])).rowCount) return
    await client.query('LOCK TABLE sessions IN SHARE ROW EXCLUSIVE MODE')
    await client.query(beginCountSql, [projectId, most])
  }

  async function get(projectId: string): Promise<LimitedProject | undefined> {
    const [row] = await rows<LimitRow>(`${select} WHERE l.project_id = $1`, [projectId])
    return row && projectOf(row)
  }

  return {
    get,
    async list({ after = '', limit }) {
      const text = `${select} WHERE l.project_id > $1 ORDER BY l.project_id LIMIT $2`
      return (await rows<LimitRow>(text, [after, limit])).map(projectOf)
    },
    async all() {
      const limited = (await rows<LimitRow>(select)).map(projectOf)
      return new Map(limited.map(({ projectId, limits }) => [projectId, limits]))
    },
    async set(projectId, { maxSessions, opensPerMinute, maxWaiting }, by) {
      return transaction(async (client) => {
        await client.query('LOCK TABLE project_limits IN SHARE ROW EXCLUSIVE MODE')
        await client.query(setLimitsSql, [projectId, maxSessions, opensPerMinute, maxWaiting])
        await setMost(client, projectId, maxSessions)
        await client.query(auditAppend({ by, projectId, action: 'limits.set', subject: projectId }))
        const found = await client.query<LimitRow>(`${select} WHERE l.project_id = $1`, [projectId])
        return projectOf(found.rows[0] as LimitRow)
      })
    },
    async remove(projectId, by) {
      return transaction(async (client) => {
        await client.query('LOCK TABLE project_limits IN SHARE ROW EXCLUSIVE MODE')
        await setMost(client, projectId, undefined)
        const gone = await client.query('DELETE FROM project_limits WHERE project_id = $1', [projectId])
        const wasThere = (gone.rowCount ?? 0) > 0
        if (wasThere)
          await client.query(auditAppend({ by, projectId, action: 'limits.remove', subject: projectId }))
        return wasThere
      })
    },
    async recount() {
      const wrong = (await rows<{ project_id: string }>(miscountsSql)).map((row) => row.project_id)
      for (const projectId of wrong) {
        await transaction(async (client) => {
          // Whoever opens or ends a session of the project holds this lock until it commits. So the next statement, which
          // looks anew, sees all of them.
          await client.query('SELECT FROM project_usage WHERE project_id = $1 FOR UPDATE', [projectId])
          await client.query(recountSql, [projectId])
        })
      }
      return wrong
    },
  }
}

function projectOf(row: LimitRow): LimitedProject {
  const { max_sessions, opens_per_minute, max_waiting } = row
  const limits: ProjectLimits = {
    ...(max_sessions !== null && { maxSessions: max_sessions }),
    ...(opens_per_minute !== null && { opensPerMinute: opens_per_minute }),
    ...(max_waiting !== null && { maxWaiting: max_waiting }),
  }
  return { projectId: row.project_id, limits, changedAt: row.changed_ms, sessions: row.live ?? undefined }
}

import type { UsageSum } from '../domain/pod-life.ts'
import type { UsageReader } from '../domain/pool-ports.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'

const coverageSql = `
  SELECT (extract(epoch FROM now()) * 1000)::float8 AS now_ms,
    (extract(epoch FROM complete_since) * 1000)::float8 AS complete_ms
  FROM pod_life_notes WHERE singleton`

const wholeMs = (interval: string) => `(extract(epoch FROM ${interval}) * 1000)::float8`

// Settled lives come from the index of spans. The others are the pods that exist, and a few more; their sessions are
// looked up. Times of claims and sessions are rounded as the copy rounds them. greatest and least skip NULL. OFFSET 0 keeps
// PostgreSQL from computing a column again wherever it is used, which made a million rows half a second slower.
export const sumsSql = `
  WITH span AS (
    SELECT agent_type, project_id, created_at, ready_at, gone_at, claimed_at, released_at,
      created_inexact_ms + gone_inexact_ms::bigint AS inexact_ms
    FROM pod_lives
    WHERE settled AND tstzrange(created_at, gone_at, '[]') && tstzrange($1::timestamptz, $2::timestamptz)
    UNION ALL
    SELECT l.agent_type, s.project_id, l.created_at, l.ready_at, l.gone_at,
      CASE WHEN s.id IS NOT NULL THEN c.at::timestamptz(3) END, s.ended_at::timestamptz(3),
      l.created_inexact_ms + l.gone_inexact_ms::bigint
    FROM (
      SELECT * FROM pod_lives WHERE gone_at IS NULL
      UNION ALL
      SELECT * FROM pod_lives WHERE gone_at IS NOT NULL AND NOT settled) l
      LEFT JOIN pod_claims c ON c.pod_uid = l.pod_uid AND c.purpose = 'session'
      LEFT JOIN sessions s ON s.id = c.session_id AND s.pod_uid = l.pod_uid AND s.active_at IS NOT NULL
  ), cut AS (
    SELECT *, greatest(created_at, $1::timestamptz) AS born, least(gone_at, $2::timestamptz) AS died FROM span OFFSET 0
  ), part AS (
    SELECT agent_type, CASE WHEN $3::boolean THEN project_id END AS project_id, born, died, inexact_ms,
      CASE WHEN claimed_at IS NULL THEN died ELSE greatest(claimed_at, born) END AS taken,
      CASE WHEN claimed_at IS NULL THEN died ELSE least(released_at, died) END AS freed, ready_at
    FROM cut WHERE died > born OFFSET 0
  )
  SELECT agent_type, project_id,
    count(*) FILTER (WHERE freed > taken)::float8 AS sessions,
    ${wholeMs(`coalesce(sum(freed - taken) FILTER (WHERE freed > taken), interval '0')`)} AS session_ms,
    ${wholeMs('sum(died - born)')} AS pod_ms,
    ${wholeMs(`sum(greatest(least(ready_at, taken, died) - born, interval '0'))`)} AS starting_ms,
    coalesce(sum(least(inexact_ms, extract(epoch FROM died - born) * 1000)) FILTER (WHERE inexact_ms > 0), 0)::float8
      AS inexact_ms
  FROM part GROUP BY 1, 2 LIMIT $4`

interface SumRow {
  agent_type: string
  project_id: string | null
  sessions: number
  session_ms: number
  pod_ms: number
  starting_ms: number
  inexact_ms: number
}

/** Adds up `pod_lives` for the usage report: one statement, on connections that can write nothing. */
export function createPostgresUsageReader({ reports }: Pick<Postgres, 'reports'>): UsageReader {
  async function rows<T extends object>(text: string, values: unknown[]): Promise<T[]> {
    try {
      return await runStatement<T>(reports, { text, values })
    } catch (error) {
      throw databaseError(error)
    }
  }

  return {
    async coverage() {
      const [row] = await rows<{ now_ms: number; complete_ms: number | null }>(coverageSql, [])
      if (!row) throw new Error('pod_life_notes has no row')
      return { now: Math.floor(row.now_ms), completeSince: row.complete_ms ?? undefined }
    },
    async sums({ from, to }, { byProject, limit }) {
      const values = [new Date(from).toISOString(), new Date(to).toISOString(), byProject, limit]
      return (await rows<SumRow>(sumsSql, values)).map(sumFrom)
    },
  }
}

function sumFrom(row: SumRow): UsageSum {
  return {
    agentType: row.agent_type,
    projectId: row.project_id ?? undefined,
    sessions: row.sessions,
    sessionMs: row.session_ms,
    podMs: row.pod_ms,
    startingMs: row.starting_ms,
    inexactMs: row.inexact_ms,
  }
}

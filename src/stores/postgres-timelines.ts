import type { SessionCourse, TimelineReader } from '../domain/session-timeline.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'
import { ms } from './session-row.ts'

interface CourseRow {
  wait_ms: number | null
  reserve_ms: number | null
  commit_ms: number | null
  deliver_ms: number | null
  activate_ms: number | null
  created_ms: number
  active_ms: number | null
  agent_joined_ms: number | null
  participant_joined_ms: number | null
  renewals: number
  renewed_ms: number | null
  ending_ms: number | null
  ended_ms: number | null
  end_reason: string | null
  end_detail: string | null
}

const columns = [
  'wait_ms, reserve_ms, commit_ms, deliver_ms, activate_ms, renewals, end_reason, end_detail',
  ms('created_at', 'created_ms'),
  ms('coalesce(activated_at, active_at)', 'active_ms'),
  ms('agent_joined_at', 'agent_joined_ms'),
  ms('participant_joined_at', 'participant_joined_ms'),
  ms('renewed_at', 'renewed_ms'),
  ms('ending_at', 'ending_ms'),
  ms('ended_at', 'ended_ms'),
].join(', ')

const courseSql = `SELECT ${columns} FROM sessions WHERE id = $1 AND ($2::text IS NULL OR project_id = $2)`

/** What `sessions` keeps of the course of each. */
export function createPostgresTimelines({ durable }: Pick<Postgres, 'durable'>): TimelineReader {
  return {
    async course(id, projectId) {
      try {
        const statement = { name: 'session-timeline', text: courseSql, values: [id, projectId] }
        const [row] = await runStatement<CourseRow>(durable, statement)
        return row && courseFrom(row)
      } catch (error) {
        throw databaseError(error)
      }
    },
  }
}

function courseFrom(row: CourseRow): SessionCourse {
  return {
    wait: row.wait_ms ?? undefined,
    reserve: row.reserve_ms ?? undefined,
    commit: row.commit_ms ?? undefined,
    deliver: row.deliver_ms ?? undefined,
    activate: row.activate_ms ?? undefined,
    createdAt: row.created_ms,
    activeAt: row.active_ms ?? undefined,
    agentJoinedAt: row.agent_joined_ms ?? undefined,
    participantJoinedAt: row.participant_joined_ms ?? undefined,
    renewals: row.renewals,
    renewedAt: row.renewed_ms ?? undefined,
    endingAt: row.ending_ms ?? undefined,
    endedAt: row.ended_ms ?? undefined,
    endReason: row.end_reason ?? undefined,
    endDetail: row.end_detail ?? undefined,
  }
}

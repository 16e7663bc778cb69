import type { EndReason, Session } from '../domain/session.ts'
import type { SessionQuery, SessionStore, TransitionOutcome } from '../domain/session-ports.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'
import { createPostgresSessionClaims } from './postgres-session-claims.ts'
import { listSessionRows } from './postgres-session-list.ts'
import { createActivateGroup, createRenewGroup } from './postgres-transition-group.ts'
import { createPostgresUnsettledSessions } from './postgres-unsettled-sessions.ts'
import { oneSession, readSession, readSessions } from './session-query.ts'
import { activeAtAsTold, sessionColumns, sessionFacts } from './session-row.ts'

const beginEndingSql = `
  WITH s AS (
    UPDATE sessions SET status = 'ENDING', end_reason = $2, ending_at = now(), end_detail = $4,
      ${activeAtAsTold}
    WHERE id = $1 AND status IN ('PENDING', 'ACTIVE') AND ($3::integer IS NULL OR epoch = $3)
      AND ($5::text IS NULL OR project_id = $5)
    RETURNING *
  )
  SELECT ${sessionColumns} FROM s`

// Written once a session: a repeated report finds the time that is there.
const noteAgentJoinedSql = `
  WITH s AS (
    UPDATE sessions SET agent_joined_at = now()
    WHERE id = $1 AND epoch = $2 AND status IN ('PENDING', 'ACTIVE') AND agent_joined_at IS NULL
    RETURNING *
  )
  SELECT ${sessionFacts} FROM s`

const metadataSql = `
  SELECT id, metadata::text AS metadata FROM sessions WHERE id = ANY ($1::uuid[]) AND metadata IS NOT NULL`

/** The last thousand sessions of each type, or fewer: enough to tell 99.9 %, small enough for an index scan. */
const historySql = `
  SELECT asked.agent_type, count(*)::int AS opened, (count(*) FILTER (WHERE warm))::int AS warm
  FROM unnest($1::text[]) AS asked (agent_type) CROSS JOIN LATERAL (
    SELECT warm FROM sessions WHERE agent_type = asked.agent_type ORDER BY created_at DESC, id DESC LIMIT 1000) AS newest
  GROUP BY 1`

interface HistoryRow {
  agent_type: string
  opened: number
  warm: number
}

/** `sessions` and `pod_claims` for the use cases. One statement each: no network call, no transaction left open. */
export function createPostgresSessionStore({ durable, relaxed, fresh }: Postgres): SessionStore {
  const activateGroup = createActivateGroup({ durable })
  const renewGroup = createRenewGroup({ relaxed })

  async function transition(
    { id, epoch, projectId }: { id: string; epoch: number | undefined; projectId?: string | undefined },
    change: () => Promise<Session | undefined>,
  ): Promise<TransitionOutcome> {
    const session = await change()
    if (session) return { kind: 'done', session }
    const present = await readSession(durable, id, projectId)
    if (!present) return { kind: 'not-found' }
    if (epoch !== undefined && present.epoch !== epoch) return { kind: 'stale-epoch', session: present }
    // It was over when the change was tried, and has started again since.
    const again = present.status === 'PENDING' || present.status === 'ACTIVE' ? await change() : undefined
    return again ? { kind: 'done', session: again } : { kind: 'over', session: present }
  }

  /** The answer of a group. Its errors are mapped here and not in the group, because callers of opens branch on them. */
  async function grouped<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      throw databaseError(error)
    }
  }

  return {
    ...createPostgresSessionClaims({ durable, fresh }),
    unsettled: createPostgresUnsettledSessions({ durable }),
    get: (id, projectId) => readSession(durable, id, projectId),
    getMany: (ids) => readSessions(durable, ids),
    activate: (id, epoch, steps = {}) =>
      grouped(activateGroup({ id, epoch, steps, since: performance.now() })),

    list: (query: SessionQuery) => listSessionRows(durable, query),

    async metadataOf(ids) {
      try {
        const found = await runStatement<{ id: string; metadata: string }>(durable, {
          name: 'session-metadata',
          text: metadataSql,
          values: [ids],
        })
        return new Map(found.map(({ id, metadata }) => [id, metadata]))
      } catch (error) {
        throw databaseError(error)
      }
    },

    async renew(id, epoch, byAgent = false, projectId) {
      const renewal = { id, epoch, byAgent, projectId }
      return transition(renewal, () => grouped(renewGroup(renewal)))
    },

    async beginEnding(id: string, reason: EndReason, epoch, { detail, projectId } = {}) {
      const values = [id, reason, epoch, detail, projectId]
      const outcome = await transition({ id, epoch, projectId }, () =>
        oneSession({ pool: durable, name: 'session-end', text: beginEndingSql, values }),
      )
      return outcome.kind === 'over' ? { kind: 'done', session: outcome.session } : outcome
    },

    async noteAgentJoined(id, epoch) {
      const values = [id, epoch]
      let isNew = true
      const outcome = await transition({ id, epoch }, async () => {
        const noted = await oneSession({
          pool: relaxed,
          name: 'session-agent-joined',
          text: noteAgentJoinedSql,
          values,
        })
        if (noted) return noted
        isNew = false
        const present = await readSession(durable, id)
        const isHere = present?.epoch === epoch && present.agentJoinedAt !== undefined
        return isHere && (present.status === 'PENDING' || present.status === 'ACTIVE') ? present : undefined
      })
      return { ...outcome, isNew: isNew && outcome.kind === 'done' }
    },

    async poolHistory(agentTypes) {
      try {
        const statement = { name: 'pool-history', text: historySql, values: [agentTypes] }
        const found = await runStatement<HistoryRow & Record<string, unknown>>(durable, statement)
        return new Map(found.map(({ agent_type: type, opened, warm }) => [type, { opened, warm }]))
      } catch (error) {
        throw databaseError(error)
      }
    },
  }
}

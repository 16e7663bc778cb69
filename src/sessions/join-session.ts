import type { Session } from '../domain/session.ts'
import type { SessionStore } from '../domain/session-ports.ts'
import type { Metrics } from '../metrics.ts'
import { changedSession } from './changed-session.ts'

interface JoinSessionDeps {
  readonly sessions: Pick<SessionStore, 'noteAgentJoined'>
  readonly metrics: Metrics
}

/** POST /v1/sessions/:id/joined: the agent is in its room. Only the first report counts. */
export function createJoinSession({ sessions, metrics }: JoinSessionDeps) {
  return async function joinSession(id: string, epoch: number): Promise<Session> {
    const outcome = await sessions.noteAgentJoined(id, epoch)
    const session = changedSession(outcome, id, epoch)
    if (outcome.isNew) {
      const { agentType, activeAt, agentJoinedAt } = session
      metrics.agentJoins.inc({ agent_type: agentType, outcome: 'joined' })
      // An agent may be in its room before its session is ACTIVE.
      const afterMs = activeAt === undefined ? 0 : Math.max(0, (agentJoinedAt ?? activeAt) - activeAt)
      metrics.agentJoinSeconds.observe({ agent_type: agentType }, afterMs / 1_000)
    }
    return session
  }
}

export type JoinSession = ReturnType<typeof createJoinSession>

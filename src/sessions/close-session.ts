import type { WakeBus } from '../domain/index-ports.ts'
import { endReason, type LeaseParty, type Session } from '../domain/session.ts'
import type { EndingFacts, SessionStore } from '../domain/session-ports.ts'
import { changedSession } from './changed-session.ts'

interface CloseSessionDeps {
  readonly sessions: Pick<SessionStore, 'beginEnding'>
  readonly wakes: Pick<WakeBus, 'publish'>
}

/** Who wants it, or that nobody was told of the session. */
export type EndCause = LeaseParty | 'unanswered'

/** DELETE /v1/sessions/:id: ENDING now; the controller tells the agent, takes the pod away and writes ENDED. */
export function createCloseSession({ sessions, wakes }: CloseSessionDeps) {
  return async function closeSession(
    id: string,
    by: EndCause,
    epoch?: number,
    facts?: EndingFacts,
  ): Promise<Session> {
    const session = changedSession(await sessions.beginEnding(id, endReason[by], epoch, facts), id, epoch)
    if (session.status === 'ENDING') wakes.publish({ kind: 'ending', sessionId: id })
    return session
  }
}

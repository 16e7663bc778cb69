import type { WakeBus } from '../domain/index-ports.ts'
import { endReason, type LeaseParty, type Session } from '../domain/session.ts'
import type { EndingFacts, SessionStore } from '../domain/session-ports.ts'
import type { ActivationsBehind } from './activations-behind.ts'
import { changedSession } from './changed-session.ts'

interface CloseSessionDeps {
  readonly sessions: Pick<SessionStore, 'beginEnding'>
  readonly behind: Pick<ActivationsBehind, 'wait'>
  readonly wakes: Pick<WakeBus, 'publish'>
}

/** Who wants it, or that nobody was told of the session. */
export type EndCause = LeaseParty | 'unanswered'

/** DELETE /v1/sessions/:id: ENDING now; the controller tells the agent, takes the pod away and writes ENDED. */
export function createCloseSession({ sessions, behind, wakes }: CloseSessionDeps) {
  return async function closeSession(
    id: string,
    by: EndCause,
    epoch?: number,
    facts?: EndingFacts,
  ): Promise<Session> {
    // So that the session's course has it ACTIVE before it ends.
    await behind.wait(id)
    const session = changedSession(await sessions.beginEnding(id, endReason[by], epoch, facts), id, epoch)
    if (session.status === 'ENDING') wakes.publish({ kind: 'ending', sessionId: id })
    return session
  }
}

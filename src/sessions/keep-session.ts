import type { SessionStore, TransitionOutcome, WakeBus } from '../domain/ports.ts'
import { type EndReason, endReason, type LeaseParty, type Session } from '../domain/session.ts'
import { GreenroomError } from '../errors.ts'

interface SessionUseCaseDeps {
  readonly sessions: SessionStore
  readonly wakes: WakeBus
}

/** POST /v1/sessions/:id/renew: keeps the right to the pod for one more lease, if it is this party's to keep. */
export function createRenewSession({ sessions }: Pick<SessionUseCaseDeps, 'sessions'>) {
  return async function renewSession(id: string, epoch: number, by: LeaseParty = 'caller'): Promise<Session> {
    return sessionOf(await sessions.renew(id, epoch, by === 'agent'), id, epoch)
  }
}

/** DELETE /v1/sessions/:id: ENDING now; the controller tells the agent, takes the pod away and writes ENDED. */
export function createCloseSession({ sessions, wakes }: SessionUseCaseDeps) {
  return async function closeSession(id: string, by: LeaseParty, epoch?: number): Promise<Session> {
    const reason: EndReason = by === 'agent' ? endReason.agent : endReason.caller
    const session = sessionOf(await sessions.beginEnding(id, reason, epoch), id, epoch)
    if (session.status === 'ENDING') wakes.publish({ kind: 'ending', sessionId: id })
    return session
  }
}

function sessionOf(outcome: TransitionOutcome, id: string, epoch: number | undefined): Session {
  switch (outcome.kind) {
    case 'done':
      return outcome.session
    case 'not-found':
      throw new GreenroomError('GRN_SESSION_NOT_FOUND', `There is no session ${id}.`)
    case 'stale-epoch':
      throw new GreenroomError(
        'GRN_STALE_EPOCH',
        `Epoch ${epoch} is not the current epoch of session ${id} (${outcome.session.epoch}).`,
      )
    case 'over':
      throw new GreenroomError('GRN_SESSION_OVER', `Session ${id} is ${outcome.session.status}.`)
  }
}

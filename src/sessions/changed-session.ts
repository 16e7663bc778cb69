import type { Session } from '../domain/session.ts'
import type { TransitionOutcome } from '../domain/session-ports.ts'
import { GreenroomError } from '../errors.ts'

/** The session after a transition; throws what a caller is told when the transition was not made. */
export function changedSession(outcome: TransitionOutcome, id: string, epoch: number | undefined): Session {
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

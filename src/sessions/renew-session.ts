import type { LeaseParty, Session } from '../domain/session.ts'
import type { SessionStore } from '../domain/session-ports.ts'
import { changedSession } from './changed-session.ts'

interface RenewSessionDeps {
  readonly sessions: Pick<SessionStore, 'renew'>
}

/** POST /v1/sessions/:id/renew: extends the lease by its whole length, if this party holds it. */
export function createRenewSession({ sessions }: RenewSessionDeps) {
  return async function renewSession(
    id: string,
    epoch: number,
    by: LeaseParty = 'caller',
    projectId?: string,
  ): Promise<Session> {
    return changedSession(await sessions.renew(id, epoch, by === 'agent', projectId), id, epoch)
  }
}

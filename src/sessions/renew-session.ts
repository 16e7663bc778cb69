import type { LeaseParty, Session } from '../domain/session.ts'
import type { SessionStore } from '../domain/session-ports.ts'
import type { Metrics } from '../metrics.ts'
import { changedSession } from './changed-session.ts'
import type { SettleSessions } from './settle-sessions.ts'

interface RenewSessionDeps {
  readonly sessions: Pick<SessionStore, 'renew'>
  readonly settled: SettleSessions['settled']
  readonly metrics: Pick<Metrics, 'leaseRenewals'>
}

/** POST /v1/sessions/:id/renew: extends the lease by its whole length, if this party holds it. */
export function createRenewSession({ sessions, settled, metrics }: RenewSessionDeps) {
  return async function renewSession(
    id: string,
    epoch: number,
    by: LeaseParty = 'caller',
    projectId?: string,
  ): Promise<Session> {
    let outcome = 'failed'
    try {
      const renewed = await sessions.renew(id, epoch, by === 'agent', projectId)
      outcome = renewed.kind === 'done' ? 'renewed' : renewed.kind
      return await settled(changedSession(renewed, id, epoch))
    } finally {
      metrics.leaseRenewals.inc({ by, outcome })
    }
  }
}

import type { AuditAction } from '../domain/audit.ts'
import type { Caller } from '../domain/caller.ts'
import type { Session } from '../domain/session.ts'
import type { AuditTrail } from '../identity/audit-trail.ts'
import { createExpiringMemory } from '../timing/expiring-memory.ts'

/** Heartbeats of one session by one credential are one entry an hour in each replica: a row for each would fill the table. */
const renewalsKeptMs = 3_600_000
/** Some 10 MB. Beyond it heartbeats are noted once more than they need be. */
const mostRenewed = 50_000

/** Notes what callers do with sessions. What agents do with their own is in the session's record. */
export type NoteSession = (caller: Caller | undefined, action: AuditAction, session: Session) => void

export function createSessionAudit(trail: Pick<AuditTrail, 'note'>): NoteSession {
  const renewed = createExpiringMemory<string>({ keptMs: renewalsKeptMs, now: () => performance.now() })
  return (caller, action, { id: subject, projectId }) => {
    if (!caller) return
    if (action === 'session.renew') {
      const key = `${subject} ${caller.kind} ${caller.id}`
      if (renewed.has(key)) return
      if (renewed.size() >= mostRenewed) renewed.clear()
      renewed.set(key, true)
    }
    trail.note({ by: { kind: caller.kind, id: caller.id }, projectId, action, subject })
  }
}

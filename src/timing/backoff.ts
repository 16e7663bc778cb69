import { setTimeout as sleep } from 'node:timers/promises'

/** Growing pauses after failures; half of each is random, so that replicas do not come back together. */
export interface Backoff {
  /** Resolves after the next pause, or at once when the signal aborts. Never rejects. */
  pause(signal: AbortSignal): Promise<void>
  reset(): void
}

export function createBackoff({ minMs, maxMs }: { minMs: number; maxMs: number }): Backoff {
  let nextMs = minMs
  return {
    async pause(signal) {
      const waitMs = nextMs * (0.5 + Math.random() / 2)
      nextMs = Math.min(nextMs * 2, maxMs)
      await pauseFor(waitMs, signal)
    },
    reset() {
      nextMs = minMs
    },
  }
}

/** Sleeps, but not beyond an abort; never rejects. */
export async function pauseFor(waitMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(waitMs, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

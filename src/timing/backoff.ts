import { pause } from './pause.ts'

/** Growing pauses after failures. Half of each pause is random, so that replicas do not come back together. */
export interface Backoff {
  /** Resolves after the next pause, or at once when the signal fires; never rejects. */
  pause(signal: AbortSignal): Promise<void>
  reset(): void
}

export function createBackoff({ minMs, maxMs }: { minMs: number; maxMs: number }): Backoff {
  let nextMs = minMs
  return {
    async pause(signal) {
      const waitMs = nextMs * (0.5 + Math.random() / 2)
      nextMs = Math.min(nextMs * 2, maxMs)
      await pause(waitMs, signal)
    },
    reset() {
      nextMs = minMs
    },
  }
}

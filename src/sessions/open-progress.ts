import type { OpenStage } from '../metrics.ts'
import type { Arrival, QueuePlace } from './pool-waiters.ts'
import type { BegunTokens } from './room-tokens.ts'

/** Of a whole open, waiting for a pod excluded. */
export const openDeadlineMs = 5_000

/** What changes while an open is on its way. All copies of an {@link Opening} share one of these. */
export interface OpenProgress {
  /** Pods that this open has used up. */
  readonly tried: Set<string>
  readonly queuePlace: QueuePlace
  readonly arrival: Arrival
  readonly tokens: BegunTokens
  readonly stagesMs: Partial<Record<OpenStage, number>>
  /** When waiting for a pod ends, and when the open does; monotonic ms. Only the functions below change them. */
  waitUntil: number
  deadline: number
}

export function newOpenProgress(now: number, waitMs: number): OpenProgress {
  return {
    tried: new Set(),
    queuePlace: { place: undefined },
    arrival: { isCounted: false, isMissed: false },
    tokens: {},
    stagesMs: {},
    waitUntil: now + waitMs,
    deadline: now + openDeadlineMs,
  }
}

/** The session asked for a pod before, in another request or another replica: its pool has counted it. */
export function noteEarlierArrival({ arrival }: OpenProgress): void {
  arrival.isCounted = true
}

/** A pod came after a wait: the rest of the open has its whole time. */
export function endWait(progress: OpenProgress, now: number): void {
  progress.deadline = now + openDeadlineMs
}

/** The open goes on behind its answer and may wait much longer. */
export function extendWait(progress: OpenProgress, now: number, waitMs: number): void {
  progress.waitUntil = now + waitMs
  progress.deadline = progress.waitUntil + openDeadlineMs
}

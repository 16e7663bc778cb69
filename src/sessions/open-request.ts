import type { LiveKitAccess } from '../domain/assignment.ts'
import type { Session } from '../domain/session.ts'
import type { Logger } from '../logging.ts'
import type { OpenStage } from '../metrics.ts'

export type { OpenRequest } from '../domain/session-request.ts'

export interface OpenContext {
  readonly idempotencyKey: string | undefined
  /** Aborted when the caller has gone: an open that still waits is given up. */
  readonly signal: AbortSignal
  readonly logger: Logger
  /** What the caller's priority is worth in the queue, ms; 0 without one. */
  readonly headStartMs?: number
  /** Asked when the open ends without a pod: true when another replica goes on with it, so that it must not fail. */
  readonly handsOver?: () => boolean
}

export interface OpenAnswer {
  readonly session: Session
  readonly livekit: LiveKitAccess | undefined
  /** True when the session had been opened by an earlier request with the same key. */
  readonly replayed: boolean
  /** Milliseconds spent in each step. */
  readonly stagesMs: Partial<Record<OpenStage, number>>
}

import { randomUUID } from 'node:crypto'
import type { PoolSpec } from '../domain/pool.ts'
import type { OpenQuota } from '../domain/project-limits.ts'
import type { Session } from '../domain/session.ts'
import type { OpenRequest } from '../domain/session-request.ts'
import type { TraceContext } from '../domain/trace-context.ts'
import type { Logger } from '../logging.ts'
import { newOpenProgress, type OpenProgress } from './open-progress.ts'
import type { BatchPlace, SessionIdentity } from './session-identity.ts'

/** For whom and how an open runs. */
export interface OpenContext {
  readonly idempotencyKey: string | undefined
  /** Which of the sessions of its batch this is. */
  readonly batchPlace?: BatchPlace
  /** Aborted when the caller has gone: an open that still waits is given up. */
  readonly signal: AbortSignal
  readonly logger: Logger
  /** Of the request; passed on to the agent. */
  readonly trace?: TraceContext | undefined
  /** Told how the project stands with its opens in this minute, also when the open is refused for it. */
  readonly onQuota?: (quota: OpenQuota) => void
  /** What the caller's priority is worth in the queue, ms; 0 without one. */
  readonly headStartMs?: number
  /** Asked when the open ends without a pod: true when another replica goes on with it, so that it must not fail. */
  readonly handsOver?: () => boolean
}

/** One open: facts that never change, and in `progress` everything that does. */
export interface Opening {
  readonly request: OpenRequest
  readonly spec: PoolSpec
  readonly identity: SessionIdentity
  /** What happens when no pod is free: as the request says, else as the pool does. */
  readonly onEmpty: 'wait' | 'cold' | 'fail'
  /** Whether the pool makes a pod for it, so that it takes none from others who wait. */
  readonly isCold: boolean
  /**
   * Names this open in the row that it writes, so that it may answer as soon as its pod has acknowledged (ADR 45);
   * undefined: it goes on behind an answer, and its session is told when it is ACTIVE.
   */
  readonly opener: string | undefined
  readonly context: OpenContext
  readonly progress: OpenProgress
}

interface OpeningFacts {
  readonly request: OpenRequest
  readonly context: OpenContext
  readonly spec: PoolSpec
  readonly identity: SessionIdentity
  /** Monotonic milliseconds. */
  readonly now: number
}

export function newOpening({ request, context, spec, identity, now }: OpeningFacts): Opening {
  return {
    request,
    spec,
    identity,
    onEmpty: request.onEmpty ?? spec.onEmpty,
    isCold: false,
    // A batch of all or nothing may still be undone when one of its pods has acknowledged.
    opener: context.batchPlace?.atomic ? undefined : randomUUID(),
    context,
    progress: newOpenProgress(now, request.waitMs ?? spec.waitMs),
  }
}

/** The request of a cold open as its row has it, for the replica that goes on with it. No row holds secrets. */
export function requestOf(session: Session): OpenRequest {
  const { agentType, projectId, roomName, participant, metadata } = session
  return {
    agentType,
    roomName,
    ...(projectId !== undefined && { projectId }),
    ...(participant && { participant }),
    ...(metadata && { metadata }),
  }
}

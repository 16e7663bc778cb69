import type { PoolSpec } from '../domain/pool.ts'
import type { Session } from '../domain/session.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics, OpenStage } from '../metrics.ts'
import type { RecordSource } from './commit-slot.ts'
import type { OpenContext, OpenRequest } from './open-request.ts'
import type { QueuePlace } from './pool-waiters.ts'
import type { EarlyTokens } from './room-tokens.ts'
import type { SessionIdentity } from './session-identity.ts'

/** Of the whole open, waiting excluded. */
export const openDeadlineMs = 5_000

/** One open on its way: what its steps share. */
export interface Opening extends RecordSource {
  readonly context: OpenContext
  readonly onEmpty: 'wait' | 'cold' | 'fail'
  /** Pods that this open has used up. */
  readonly tried: Set<string>
  readonly queuePlace: QueuePlace
  readonly tokens: EarlyTokens
  readonly stagesMs: Partial<Record<OpenStage, number>>
  /** When waiting for a pod ends, and the open itself; monotonic milliseconds. */
  waitUntil: number
  deadline: number
}

export interface OpeningParts {
  readonly request: OpenRequest
  readonly context: OpenContext
  readonly spec: PoolSpec
  readonly identity: SessionIdentity
  /** Monotonic milliseconds. */
  readonly now: number
}

export function newOpening({ request, context, spec, identity, now }: OpeningParts): Opening {
  return {
    request,
    context,
    spec,
    identity,
    onEmpty: request.onEmpty ?? spec.onEmpty,
    tried: new Set(),
    queuePlace: { place: undefined },
    tokens: {},
    stagesMs: {},
    waitUntil: now + (request.waitMs ?? spec.waitMs),
    deadline: now + openDeadlineMs,
  }
}

/** A cold open as its row has it, for the replica that goes on with it. Secrets are in no row: it has none. */
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

export function createStageClock(metrics: Metrics, now: () => number) {
  function note(opening: Opening, stage: OpenStage, ms: number): void {
    opening.stagesMs[stage] = (opening.stagesMs[stage] ?? 0) + ms
    metrics.openStageSeconds.observe({ stage }, ms / 1_000)
  }
  async function timed<T>(opening: Opening, stage: OpenStage, work: () => Promise<T>): Promise<T> {
    const begun = now()
    try {
      return await work()
    } finally {
      note(opening, stage, now() - begun)
    }
  }
  return { note, timed }
}

export function deliveryFailed(reason?: string): GreenroomError {
  return new GreenroomError('GRN_DELIVERY_FAILED', reason, { retryAfterMs: 1_000 })
}

export function poolDegraded(): GreenroomError {
  // The window of the retirement cap.
  return new GreenroomError('GRN_POOL_DEGRADED', undefined, { retryAfterMs: 10_000 })
}

export function isPoolEmpty(error: unknown): boolean {
  return error instanceof GreenroomError && error.code === 'GRN_POOL_EMPTY'
}

import type { PoolSpec } from '../domain/pool.ts'
import type { Session } from '../domain/session.ts'
import { newOpenProgress, type OpenProgress } from './open-progress.ts'
import type { OpenContext, OpenRequest } from './open-request.ts'
import type { SessionIdentity } from './session-identity.ts'

/** One open: facts that never change, and in `progress` everything that does. */
export interface Opening {
  readonly request: OpenRequest
  readonly spec: PoolSpec
  readonly identity: SessionIdentity
  /** What happens when no pod is free: as the request says, else as the pool does. */
  readonly onEmpty: 'wait' | 'cold' | 'fail'
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

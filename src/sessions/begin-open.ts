import type { DocumentView } from '../domain/cluster-ports.ts'
import { participantProblem } from '../domain/participant-identity.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import type { OpenRequest } from '../domain/session-request.ts'
import { GreenroomError } from '../errors.ts'
import { newOpening, type OpenContext, type Opening } from './opening.ts'
import type { IdentifySession } from './session-identity.ts'

interface BeginOpenDeps {
  readonly pools: DocumentView<PoolsDocument>
  readonly identify: IdentifySession
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Begins an open; throws GRN_UNKNOWN_AGENT_TYPE or GRN_INVALID_REQUEST for what no schema says. */
export function createBeginOpen({ pools, identify, now }: BeginOpenDeps) {
  return function beginOpen(request: OpenRequest, context: OpenContext): Opening {
    const known = pools.current()?.pools ?? {}
    // A name like "constructor" must not find what every object inherits.
    const spec = Object.hasOwn(known, request.agentType) ? known[request.agentType] : undefined
    if (!spec) {
      throw new GreenroomError(
        'GRN_UNKNOWN_AGENT_TYPE',
        `There is no pool of agent type "${request.agentType}".`,
      )
    }
    const problem = request.participant && participantProblem(request.participant)
    if (problem) throw new GreenroomError('GRN_INVALID_REQUEST', `body/participant/${problem}.`)
    const identity = identify(request, context.idempotencyKey, context.batchPlace)
    return newOpening({ request, context, spec, identity, now: now() })
  }
}

export type BeginOpen = ReturnType<typeof createBeginOpen>

import type { PoolsDocument } from '../domain/pool.ts'
import type { DocumentView, SessionStore } from '../domain/ports.ts'
import { isRetryableFailure, type Session } from '../domain/session.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { AwaitSession } from './await-session.ts'
import type { ColdOpens } from './cold-open.ts'
import type { Prior } from './commit-slot.ts'
import type { Attempted, OpenAttempts } from './open-attempts.ts'
import type { OpenAnswer, OpenContext, OpenRequest } from './open-request.ts'
import { deliveryFailed, isPoolEmpty, newOpening, type Opening, poolDegraded } from './opening.ts'
import type { TokenMint } from './room-tokens.ts'
import type { IdentifySession } from './session-identity.ts'

export interface OpenSessionDeps {
  readonly pools: DocumentView<PoolsDocument>
  readonly sessions: SessionStore
  readonly attempts: OpenAttempts
  readonly coldOpens: ColdOpens
  readonly awaitSession: AwaitSession
  readonly identify: IdentifySession
  readonly tokens: TokenMint
  readonly metrics: Metrics
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** POST /v1/sessions (DESIGN §3): one session per key, whichever replicas see its requests. */
export function createOpenSession(deps: OpenSessionDeps) {
  const { sessions, attempts, coldOpens, metrics, now } = deps
  /** Two requests with one key in this replica: the second follows the first. */
  const inFlight = new Map<string, { opening: Opening; answer: Promise<OpenAnswer> }>()

  /** What a retry of a finished or unfinished open finds; undefined when there is nothing to follow. */
  async function follow(opening: Opening, session: Session): Promise<OpenAnswer | undefined> {
    if (session.fingerprint !== opening.identity.fingerprint)
      throw new GreenroomError('GRN_IDEMPOTENCY_MISMATCH')
    if (session.status === 'PENDING') return followPending(opening, session)
    if (isRetryableFailure(session.endReason)) {
      if (session.status === 'ENDED') return undefined
      // Its pod is still being taken away; the record can start again when that is done.
      throw deliveryFailed()
    }
    return answerOf(opening, session, true)
  }

  async function followPending(opening: Opening, session: Session): Promise<OpenAnswer> {
    if (session.heldByReplica !== undefined) return followCold(opening, session)
    const active = await attempts.redeliver(opening, session)
    if (!active) throw deliveryFailed()
    return answerOf(opening, active, true)
  }

  /** With secrets the first request is held open, and so is its retry; without them both are told to come back. */
  async function followCold(opening: Opening, session: Session): Promise<OpenAnswer> {
    if (opening.request.secrets === undefined) return answerOf(opening, session, true)
    const orphan = await coldOpens.takeOver(session)
    if (orphan) return answerOf(opening, await coldOpens.complete(opening, orphan), true)
    const settled = await deps.awaitSession(session.id, {
      until: ({ status }) => status !== 'PENDING',
      waitMs: opening.spec.coldStart.deadlineSeconds * 1_000,
      signal: opening.context.signal,
    })
    if (settled?.status !== 'ACTIVE') throw deliveryFailed()
    return answerOf(opening, settled, true)
  }

  async function answerOf(opening: Opening, session: Session, replayed: boolean): Promise<OpenAnswer> {
    const live = session.status === 'ACTIVE' || session.status === 'PENDING'
    const livekit = live ? await deps.tokens.participant(opening.tokens, session) : undefined
    return { session, livekit, replayed, stagesMs: opening.stagesMs }
  }

  async function run(opening: Opening): Promise<OpenAnswer> {
    let prior: Prior = { kind: 'none', session: undefined }
    // The pool may be empty although the session this key names is there.
    const present =
      opening.identity.fingerprint === undefined ? undefined : await sessions.get(opening.identity.id)
    if (present) {
      const answer = await follow(opening, present)
      if (answer) return answer
      prior = { kind: 'failed', session: present }
    }
    if (attempts.isDegraded(opening)) throw poolDegraded()
    for (;;) {
      const from: Prior = prior
      const attempted: Attempted | OpenAnswer = await attempts
        .run(opening, from)
        .catch((error: unknown) => coldInstead(opening, from, error))
      if ('replayed' in attempted) return attempted
      if (attempted.kind === 'active') return answerOf(opening, attempted.session, false)
      const answer = await follow(opening, attempted.session)
      if (answer) return answer
      prior = { kind: 'failed', session: attempted.session }
    }
  }

  /** No pod was there, and the caller would rather have one made than wait or be refused. */
  async function coldInstead(
    opening: Opening,
    prior: Prior,
    error: unknown,
  ): Promise<Attempted | OpenAnswer> {
    if (opening.onEmpty !== 'cold' || !isPoolEmpty(error)) throw error
    const cold = await coldOpens.write(opening, prior)
    if (cold.kind === 'exists') return cold
    if (opening.request.secrets !== undefined)
      return answerOf(opening, await coldOpens.complete(opening, cold.session), false)
    coldOpens.completeLater(opening, cold.session)
    return answerOf(opening, cold.session, false)
  }

  function begin(request: OpenRequest, context: OpenContext): Opening {
    const pools = deps.pools.current()?.pools ?? {}
    // A name like "constructor" must not find what every object inherits.
    const spec = Object.hasOwn(pools, request.agentType) ? pools[request.agentType] : undefined
    if (!spec) {
      throw new GreenroomError(
        'GRN_UNKNOWN_AGENT_TYPE',
        `There is no pool of agent type "${request.agentType}".`,
      )
    }
    const identity = deps.identify(request, context.idempotencyKey)
    return newOpening({ request, context, spec, identity, now: now() })
  }

  async function joinOrRun(opening: Opening): Promise<OpenAnswer> {
    const { id, fingerprint } = opening.identity
    const first = inFlight.get(id)
    if (!first) return runAlone(opening)
    if (first.opening.identity.fingerprint !== fingerprint)
      throw new GreenroomError('GRN_IDEMPOTENCY_MISMATCH')
    try {
      return { ...(await first.answer), replayed: true }
    } catch (error) {
      // The first caller went away and this is its retry: its own turn.
      if (!first.opening.context.signal.aborted || opening.context.signal.aborted) throw error
      return joinOrRun(opening)
    }
  }

  async function runAlone(opening: Opening): Promise<OpenAnswer> {
    const { id } = opening.identity
    const answer = run(opening)
    inFlight.set(id, { opening, answer })
    try {
      return await answer
    } finally {
      inFlight.delete(id)
    }
  }

  return async function openSession(request: OpenRequest, context: OpenContext): Promise<OpenAnswer> {
    const opening = begin(request, context)
    const begun = now()
    let outcome = 'GRN_INTERNAL'
    try {
      const answer = await joinOrRun(opening)
      outcome = answer.replayed ? 'replayed' : answer.session.status === 'PENDING' ? 'cold' : 'opened'
      return answer
    } catch (error) {
      if (error instanceof GreenroomError) outcome = error.code
      throw error
    } finally {
      metrics.openSeconds.observe({ agent_type: request.agentType, outcome }, (now() - begun) / 1_000)
    }
  }
}

export type OpenSession = ReturnType<typeof createOpenSession>

import type { LiveKitAccess } from '../domain/assignment.ts'
import type { DocumentView } from '../domain/cluster-ports.ts'
import { participantProblem } from '../domain/participant-identity.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import { sampledTraceId } from '../domain/sampled-trace-id.ts'
import { isRetryableFailure, type Session } from '../domain/session.ts'
import type { SessionStore } from '../domain/session-ports.ts'
import type { OpenRequest } from '../domain/session-request.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics, OpenStage } from '../metrics.ts'
import type { ColdOpens } from './cold-open.ts'
import type { Prior } from './commit-slot.ts'
import type { Attempted, OpenAttempts } from './open-attempts.ts'
import { deliveryFailed, isPoolEmpty, keyUsedUp, poolDegraded } from './open-failure.ts'
import { noteEarlierArrival } from './open-progress.ts'
import { newOpening, type OpenContext, type Opening } from './opening.ts'
import type { ProjectGate } from './project-gate.ts'
import type { RoomTokens } from './room-tokens.ts'
import type { IdentifySession } from './session-identity.ts'
import type { SettleSessions } from './settle-sessions.ts'

interface OpenSessionDeps {
  readonly pools: DocumentView<PoolsDocument>
  readonly sessions: SessionStore
  readonly attempts: OpenAttempts
  readonly coldOpens: ColdOpens
  readonly gate: Pick<ProjectGate, 'admit'>
  readonly identify: IdentifySession
  readonly tokens: RoomTokens
  readonly settled: SettleSessions['settled']
  readonly metrics: Metrics
  /** Monotonic milliseconds. */
  readonly now: () => number
}

export interface OpenAnswer {
  readonly session: Session
  readonly livekit: LiveKitAccess | undefined
  /** True when the session had been opened by an earlier request with the same key. */
  readonly replayed: boolean
  /** Milliseconds spent in each step. */
  readonly stagesMs: Partial<Record<OpenStage, number>>
}

/** POST /v1/sessions (DESIGN §3): one session per key, whichever replicas see its requests. */
export function createOpenSession(deps: OpenSessionDeps) {
  const { sessions, attempts, coldOpens, gate, tokens, metrics, now } = deps
  /** Of two requests with one key in this replica, the second follows the first. */
  const inFlight = new Map<string, { opening: Opening; answer: Promise<OpenAnswer> }>()

  async function openSession(request: OpenRequest, context: OpenContext): Promise<OpenAnswer> {
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
      const traceId = sampledTraceId(context.trace?.traceparent)
      metrics.openSeconds.observe({
        labels: { agent_type: request.agentType, outcome },
        value: (now() - begun) / 1_000,
        ...(traceId !== undefined && { exemplarLabels: { trace_id: traceId } }),
      })
    }
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
    const problem = request.participant && participantProblem(request.participant)
    if (problem) throw new GreenroomError('GRN_INVALID_REQUEST', `body/participant/${problem}.`)
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
      // The first caller hung up and this is its retry, which now opens the session itself.
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

  async function run(opening: Opening): Promise<OpenAnswer> {
    const { id, fingerprint } = opening.identity
    let prior: Prior = { kind: 'none', session: undefined }
    // Read first: the pool may be empty although the session that this key names is there.
    const present = fingerprint === undefined ? undefined : await sessions.get(id)
    if (present) {
      const answer = await follow(opening, present)
      if (answer) return answer
      noteEarlierArrival(opening.progress)
      prior = { kind: 'failed', session: present }
    }
    if (attempts.isDegraded(opening)) throw poolDegraded()
    const leave = await gate.admit(opening)
    try {
      return await claim(opening, prior)
    } finally {
      leave()
    }
  }

  async function claim(opening: Opening, first: Prior): Promise<OpenAnswer> {
    for (let prior = first; ; ) {
      const { kind, session } = await attempt(opening, prior)
      if (kind === 'claimed') return answerOf(opening, session, false)
      const answer = await follow(opening, session)
      if (answer) return answer
      prior = { kind: 'failed', session }
    }
  }

  /** With a pod, or cold when there is none and the caller would rather have one made than wait or be refused. */
  async function attempt(opening: Opening, prior: Prior): Promise<Attempted> {
    try {
      return await attempts.run(opening, prior)
    } catch (error) {
      if (opening.onEmpty !== 'cold' || !isPoolEmpty(error)) throw error
      return coldOpens.begin(opening, prior)
    }
  }

  /** The answer of an earlier open of this session; undefined when that one failed and this one may start again. */
  async function follow(opening: Opening, found: Session): Promise<OpenAnswer | undefined> {
    if (found.fingerprint !== opening.identity.fingerprint)
      throw new GreenroomError('GRN_IDEMPOTENCY_MISMATCH')
    const session = await deps.settled(found)
    if (session.status === 'PENDING') return answerOf(opening, await followPending(opening, session), true)
    if (isRetryableFailure(session)) {
      if (session.status === 'ENDED') return undefined
      // Its pod is still being taken away; the record can start again when that is done.
      throw deliveryFailed()
    }
    if (session.status === 'ACTIVE') return answerOf(opening, session, true)
    // Without a key only this open knew the session, and told nobody.
    throw opening.context.idempotencyKey === undefined ? deliveryFailed() : keyUsedUp(session)
  }

  async function followPending(opening: Opening, session: Session): Promise<Session> {
    if (session.heldByReplica !== undefined) return coldOpens.follow(opening, session)
    const active = await attempts.redeliver(opening, session)
    if (!active) throw deliveryFailed()
    return active
  }

  async function answerOf(opening: Opening, session: Session, replayed: boolean): Promise<OpenAnswer> {
    const { progress } = opening
    const live = session.status === 'ACTIVE' || session.status === 'PENDING'
    const livekit = live ? await tokens.participant(progress.tokens, session) : undefined
    return { session, livekit, replayed, stagesMs: progress.stagesMs }
  }

  return openSession
}

export type OpenSession = ReturnType<typeof createOpenSession>

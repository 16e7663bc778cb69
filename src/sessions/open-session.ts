import type { PoolsDocument } from '../domain/pool.ts'
import type { DeliveryOutcome, DocumentView, RoomAccess, SessionStore, WakeBus } from '../domain/ports.ts'
import { endReason, isRetryableFailure, type Session } from '../domain/session.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics, OpenStage } from '../metrics.ts'
import type { CommitSlot, Prior, RecordSource } from './commit-slot.ts'
import type { DeliverSession } from './deliver-session.ts'
import type { OpenAnswer, OpenContext, OpenRequest } from './open-request.ts'
import type { RetirementCap } from './retirement-cap.ts'
import type { IdentifySession } from './session-identity.ts'
import type { TakeSlot } from './slot-taker.ts'

export interface OpenSessionDeps {
  readonly pools: DocumentView<PoolsDocument>
  readonly sessions: SessionStore
  readonly takeSlot: TakeSlot
  readonly commitSlot: CommitSlot
  readonly deliver: DeliverSession
  readonly identify: IdentifySession
  readonly retirementCap: RetirementCap
  readonly poolSize: (agentType: string) => number
  readonly roomAccess: RoomAccess | undefined
  readonly wakes: WakeBus
  readonly metrics: Metrics
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Of the whole open, waiting excluded. */
const openDeadlineMs = 5_000
/** A pod must not be condemned for time that others used up; a healthy one answers in a few milliseconds. */
const leastDeliveryMs = 500
/** Each attempt costs a pod when it fails; a fourth would help nobody. */
const mostAttempts = 3

/** One open on its way: what its steps share. */
interface Opening extends RecordSource {
  readonly context: OpenContext
  readonly tried: Set<string>
  readonly waitUntil: number
  readonly stagesMs: Partial<Record<OpenStage, number>>
  deadline: number
}

/** POST /v1/sessions: reserve → commit → deliver → activate (DESIGN §3). */
export function createOpenSession(deps: OpenSessionDeps) {
  const { sessions, takeSlot, commitSlot, deliver, metrics, now } = deps
  /** Two requests with one key in this replica: the second follows the first. */
  const inFlight = new Map<string, { opening: Opening; answer: Promise<OpenAnswer> }>()

  async function timed<T>(opening: Opening, stage: OpenStage, work: () => Promise<T>): Promise<T> {
    const begun = now()
    try {
      return await work()
    } finally {
      noteStage(opening, stage, now() - begun)
    }
  }

  function noteStage(opening: Opening, stage: OpenStage, ms: number): void {
    opening.stagesMs[stage] = (opening.stagesMs[stage] ?? 0) + ms
    metrics.openStageSeconds.observe({ stage }, ms / 1_000)
  }

  function assign(opening: Opening, session: Session): Promise<DeliveryOutcome> {
    const remaining = Math.max(leastDeliveryMs, opening.deadline - now())
    return timed(opening, 'deliver', () => deliver(session, opening.request, remaining))
  }

  /** What a retry of a finished or unfinished open finds; undefined when there is nothing to follow. */
  async function follow(opening: Opening, session: Session): Promise<OpenAnswer | undefined> {
    if (session.fingerprint !== opening.identity.fingerprint)
      throw new GreenroomError('GRN_IDEMPOTENCY_MISMATCH')
    if (session.status === 'PENDING') {
      const outcome = await assign(opening, session)
      if (outcome.kind === 'accepted') return await finish(opening, session, true)
      throw deliveryFailed()
    }
    if (isRetryableFailure(session.endReason)) {
      if (session.status === 'ENDED') return undefined
      // Its pod is still being taken away; the record can start again when that is done.
      throw deliveryFailed()
    }
    return answerOf(opening, session, true)
  }

  async function answerOf(opening: Opening, session: Session, replayed: boolean): Promise<OpenAnswer> {
    const live = session.status === 'ACTIVE' || session.status === 'PENDING'
    const livekit =
      live && deps.roomAccess
        ? await deps.roomAccess.forParticipant(session.room, participantOf(session))
        : undefined
    return { session, livekit, replayed, stagesMs: opening.stagesMs }
  }

  async function finish(opening: Opening, pending: Session, replayed: boolean): Promise<OpenAnswer> {
    const active = await timed(opening, 'activate', () => sessions.activate(pending.id, pending.epoch))
    if (active) return answerOf(opening, active, replayed)
    const present = await sessions.get(pending.id)
    // A follower of the same key was faster; anything else has overtaken this open.
    if (present?.status === 'ACTIVE' && present.epoch === pending.epoch)
      return answerOf(opening, present, replayed)
    if (present?.status === 'PENDING' || isRetryableFailure(present?.endReason)) throw deliveryFailed()
    throw new GreenroomError('GRN_SESSION_OVER', 'The session was ended while it was being opened.')
  }

  /** Takes pods until one is committed to this session; `pending` is the row of an earlier attempt. */
  async function claimPod(opening: Opening, prior: Prior): Promise<Session | OpenAnswer> {
    const { request, context, identity, tried, spec } = opening
    let attempt = prior.session?.epoch ?? 0
    for (;;) {
      const begun = now()
      const slot = await takeSlot(
        {
          agentType: request.agentType,
          sessionId: identity.id,
          onEmpty: request.onEmpty ?? spec.onEmpty,
          waitUntil: opening.waitUntil,
          signal: context.signal,
        },
        attempt,
        tried,
      )
      noteStage(opening, 'reserve', now() - begun - slot.waitedMs)
      if (slot.waited) {
        noteStage(opening, 'wait', slot.waitedMs)
        // Waiting is the pool's affair; the deadline is for what comes after it.
        opening.deadline = now() + openDeadlineMs
      }
      attempt = slot.attempt
      const outcome = await timed(opening, 'commit', () => commitSlot(opening, prior, slot))
      if (outcome.kind === 'committed') return outcome.session
      if (outcome.kind === 'session-exists') {
        const answer = await follow(opening, outcome.session)
        if (answer) return answer
        prior = { kind: 'failed', session: outcome.session }
        attempt = Math.max(attempt, outcome.session.epoch)
        continue
      }
      tried.add(slot.pod.uid)
      if (now() >= opening.deadline)
        throw new GreenroomError('GRN_POOL_EMPTY', undefined, { retryAfterMs: 1_000 })
    }
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
    if (isDegraded(opening)) throw poolDegraded()
    for (let attempts = 1; ; attempts += 1) {
      const claimed: Session | OpenAnswer = await claimPod(opening, prior).catch((error: unknown) =>
        giveUp(opening, prior, error),
      )
      if ('replayed' in claimed) return claimed
      const failure = await deliverTo(opening, claimed)
      if (failure === undefined) return await finish(opening, claimed, false)
      prior = { kind: 'undelivered', session: claimed, reason: failure.reason }
      if (claimed.pod) opening.tried.add(claimed.pod.uid)
      if (attempts >= mostAttempts || now() >= opening.deadline) {
        await giveUp(opening, prior, deliveryFailed(failure.reason))
      }
      if (!failure.mayGoOn) await giveUp(opening, prior, poolDegraded())
    }
  }

  /** Opens that are under way together may fail together: each asks again before it takes one more pod. */
  function isDegraded({ request: { agentType } }: Opening): boolean {
    return deps.retirementCap.reached(agentType, deps.poolSize(agentType))
  }

  /**
   * undefined when the pod accepted; else why it did not, in words for `pod_claims.reason`, and whether the pool can
   * afford to try another.
   */
  async function deliverTo(opening: Opening, session: Session): Promise<DeliveryFailure | undefined> {
    const { agentType } = opening.request
    const outcome = await assign(opening, session)
    metrics.deliveries.inc({ agent_type: agentType, outcome: outcome.kind })
    if (outcome.kind === 'accepted') return undefined
    const mayGoOn = !isDegraded(opening)
    if (mayGoOn) deps.retirementCap.note(agentType)
    metrics.podsRetired.inc({ agent_type: agentType, cause: outcome.kind })
    opening.context.logger.warn(
      { sessionId: session.id, pod: session.pod?.name, outcome: outcome.kind, reason: outcome.reason },
      'pod did not take the session',
    )
    return { reason: `${outcome.kind}: ${outcome.reason}`, mayGoOn }
  }

  /** No way forward: a PENDING row must not be left behind, and its pod must not serve again. */
  async function giveUp(opening: Opening, prior: Prior, error: unknown): Promise<never> {
    if (prior.kind === 'undelivered') {
      const reason =
        error instanceof GreenroomError && error.code === 'GRN_POOL_EMPTY' ? 'poolEmpty' : 'deliveryFailed'
      await sessions.failOpen(prior.session, endReason[reason], prior.reason).catch((failure: unknown) => {
        // Its lease ends it: PENDING never outlives that.
        opening.context.logger.warn(
          { err: failure, sessionId: prior.session.id },
          'failed open could not be recorded',
        )
      })
      // The controller takes the pod away and makes another.
      deps.wakes.publish({ kind: 'claimed', agentType: opening.request.agentType })
    }
    throw error
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
    const waitUntil = now() + (request.waitMs ?? spec.waitMs)
    return {
      request,
      context,
      spec,
      identity,
      tried: new Set(),
      waitUntil,
      stagesMs: {},
      deadline: now() + openDeadlineMs,
    }
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
      outcome = answer.replayed ? 'replayed' : 'opened'
      return answer
    } catch (error) {
      if (error instanceof GreenroomError) outcome = error.code
      throw error
    } finally {
      metrics.openSeconds.observe({ agent_type: request.agentType, outcome }, (now() - begun) / 1_000)
    }
  }
}

interface DeliveryFailure {
  readonly reason: string
  readonly mayGoOn: boolean
}

function deliveryFailed(reason?: string): GreenroomError {
  return new GreenroomError('GRN_DELIVERY_FAILED', reason, { retryAfterMs: 1_000 })
}

function poolDegraded(): GreenroomError {
  // The window of the retirement cap.
  return new GreenroomError('GRN_POOL_DEGRADED', undefined, { retryAfterMs: 10_000 })
}

export type OpenSession = ReturnType<typeof createOpenSession>

export function participantOf(session: Session): { identity: string; name?: string } {
  return session.participant ?? { identity: `participant-${session.id}` }
}

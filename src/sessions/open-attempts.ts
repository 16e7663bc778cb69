import type { DeliveryOutcome, PodFate, SessionStore, WakeBus } from '../domain/ports.ts'
import { type EndReason, endReason, isRetryableFailure, type Session } from '../domain/session.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import { type CommitSlot, type Prior, roomOf } from './commit-slot.ts'
import type { DeliverSession } from './deliver-session.ts'
import {
  createStageClock,
  deliveryFailed,
  isPoolEmpty,
  type Opening,
  openDeadlineMs,
  poolDegraded,
} from './opening.ts'
import type { RetirementCap } from './retirement-cap.ts'
import type { TokenMint } from './room-tokens.ts'
import type { TakeSlot } from './slot-taker.ts'

export interface OpenAttemptsDeps {
  readonly sessions: SessionStore
  readonly takeSlot: TakeSlot
  readonly commitSlot: CommitSlot
  readonly deliver: DeliverSession
  readonly tokens: TokenMint
  readonly retirementCap: RetirementCap
  readonly poolSize: (agentType: string) => number
  readonly wakes: WakeBus
  readonly metrics: Metrics
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** A pod must not be condemned for time that others used up; a healthy one answers in a few milliseconds. */
const leastDeliveryMs = 500
/** Each attempt costs a pod when it fails; a fourth would help nobody. */
const mostAttempts = 3

/** What an open came to: its session on a pod, or the row of another one that it must follow. */
export type Attempted =
  | { readonly kind: 'active'; readonly session: Session }
  | { readonly kind: 'exists'; readonly session: Session }

interface DeliveryFailure {
  readonly fate: PodFate
  readonly reason: string
  readonly mayGoOn: boolean
}

/** reserve → commit → deliver → activate, with the next pod when one does not take the session (DESIGN §3). */
export function createOpenAttempts(deps: OpenAttemptsDeps) {
  const { sessions, takeSlot, commitSlot, deliver, tokens, metrics, now } = deps
  const stages = createStageClock(metrics, now)

  /** Takes pods until one is committed to this session, or until another open of it is found. */
  async function claimPod(opening: Opening, prior: Prior): Promise<Attempted & { claimed: boolean }> {
    const { request, context, identity, tried } = opening
    let attempt = prior.session?.epoch ?? 0
    for (;;) {
      const begun = now()
      const slot = await takeSlot(
        {
          agentType: request.agentType,
          sessionId: identity.id,
          wait: opening.onEmpty === 'wait',
          waitUntil: opening.waitUntil,
          headStartMs: context.headStartMs ?? 0,
          queuePlace: opening.queuePlace,
          signal: context.signal,
        },
        attempt,
        tried,
      )
      stages.note(opening, 'reserve', now() - begun - slot.waitedMs)
      if (slot.waited) {
        stages.note(opening, 'wait', slot.waitedMs)
        // Waiting is the pool's affair; the deadline is for what comes after it.
        opening.deadline = now() + openDeadlineMs
      }
      attempt = slot.attempt
      tokens.beginAgent(opening.tokens, roomOf(opening), identity.id, attempt)
      const outcome = await stages.timed(opening, 'commit', () => commitSlot(opening, prior, slot))
      if (outcome.kind === 'committed') return { kind: 'active', session: outcome.session, claimed: true }
      if (outcome.kind === 'session-exists')
        return { kind: 'exists', session: outcome.session, claimed: false }
      tried.add(slot.pod.uid)
      if (now() >= opening.deadline)
        throw new GreenroomError('GRN_POOL_EMPTY', undefined, { retryAfterMs: 1_000 })
    }
  }

  function assign(opening: Opening, session: Session): Promise<DeliveryOutcome> {
    const remaining = Math.max(leastDeliveryMs, opening.deadline - now())
    return stages.timed(opening, 'deliver', async () => {
      const livekit = await tokens.agent(opening.tokens, session)
      const delivered = deliver(session, { secrets: opening.request.secrets, livekit }, remaining)
      tokens.beginParticipant(opening.tokens, session)
      return delivered
    })
  }

  /** Opens that are under way together may fail together: each asks again before it takes one more pod. */
  function isDegraded({ request: { agentType } }: Opening): boolean {
    return deps.retirementCap.reached(agentType, () => deps.poolSize(agentType))
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
    const poolSize = () => deps.poolSize(agentType)
    const podUid = session.pod?.uid ?? ''
    const mayGoOn = await deps.retirementCap.admit({ agentType, podUid, poolSize })
    // Beyond the cap it is not the pods that fail: one that heard nothing is kept for the time after.
    const isKept = !mayGoOn && outcome.kind === 'unreachable' && outcome.untouched
    if (!isKept) metrics.podsRetired.inc({ agent_type: agentType, cause: outcome.kind })
    opening.context.logger.warn(
      { sessionId: session.id, pod: session.pod?.name, outcome: outcome.kind, reason: outcome.reason },
      'pod did not take the session',
    )
    const reason = `${outcome.kind}: ${outcome.reason}`
    return { reason, mayGoOn, fate: isKept ? { kind: 'release' } : { kind: 'retire', reason } }
  }

  async function activate(opening: Opening, pending: Session): Promise<Session> {
    const times = await stages.timed(opening, 'activate', () => sessions.activate(pending.id, pending.epoch))
    if (times) return { ...pending, ...times, status: 'ACTIVE', heldByReplica: undefined }
    const present = await sessions.get(pending.id)
    // Another open of the same key was faster, here or, when this acknowledgement came late, on the next pod.
    if (present?.status === 'ACTIVE') return present
    if (present?.status === 'PENDING' || isRetryableFailure(present?.endReason)) throw deliveryFailed()
    throw new GreenroomError('GRN_SESSION_OVER', 'The session was ended while it was being opened.')
  }

  /** No way forward: a PENDING row must not be left behind, and its pod must not serve again. */
  async function giveUp(opening: Opening, prior: Prior, error: unknown, fate?: PodFate): Promise<never> {
    if (prior.kind === 'undelivered' && !opening.context.handsOver?.()) {
      const { session, reason } = prior
      await failOpen(opening, session, fate ?? { kind: 'retire', reason }, reasonOf(opening, error))
      // The controller takes the pod away and makes another.
      deps.wakes.publish({ kind: 'claimed', agentType: opening.request.agentType })
    }
    throw error
  }

  async function failOpen(
    opening: Opening,
    session: Session,
    fate: PodFate,
    reason: EndReason,
  ): Promise<void> {
    try {
      await sessions.failOpen(session, reason, fate)
    } catch (failure) {
      // Its lease ends it: PENDING never outlives that.
      opening.context.logger.warn(
        { err: failure, sessionId: session.id },
        'failed open could not be recorded',
      )
    }
  }

  return {
    isDegraded,

    /** Goes on from `prior` until a pod has acknowledged the session; throws when none does in time. */
    async run(opening: Opening, prior: Prior): Promise<Attempted> {
      let last = prior
      for (let attempts = 1; ; attempts += 1) {
        const claimed = await claimPod(opening, last).catch((error: unknown) => giveUp(opening, last, error))
        if (!claimed.claimed) return claimed
        const { session } = claimed
        const failure = await deliverTo(opening, session)
        if (failure === undefined) return { kind: 'active', session: await activate(opening, session) }
        last = { kind: 'undelivered', session, reason: failure.reason }
        if (session.pod) opening.tried.add(session.pod.uid)
        if (!failure.mayGoOn) await giveUp(opening, last, poolDegraded(), failure.fate)
        if (attempts >= mostAttempts || now() >= opening.deadline)
          await giveUp(opening, last, deliveryFailed(failure.reason))
      }
    },

    /** Repeats the delivery of a PENDING session; undefined when its pod does not take it. */
    async redeliver(opening: Opening, pending: Session): Promise<Session | undefined> {
      const outcome = await assign(opening, pending)
      return outcome.kind === 'accepted' ? activate(opening, pending) : undefined
    },

    failOpen,
  }
}

export type OpenAttempts = ReturnType<typeof createOpenAttempts>

function reasonOf({ context }: Opening, error: unknown): EndReason {
  if (context.signal.aborted) return endReason.abandoned
  return isPoolEmpty(error) ? endReason.poolEmpty : endReason.deliveryFailed
}

import type { DeliveryOutcome } from '../domain/cluster-ports.ts'
import type { WakeBus } from '../domain/index-ports.ts'
import { type EndReason, endReason, isRetryableFailure, type Session } from '../domain/session.ts'
import type { ActivatedTimes, PodFate, SessionStore } from '../domain/session-ports.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import { traced } from '../tracing/spans.ts'
import type { ActivationsBehind } from './activations-behind.ts'
import type { CommitSlot, Prior } from './commit-slot.ts'
import type { DeliverSession } from './deliver-session.ts'
import { deliveryFailed, isPoolEmpty, poolDegraded } from './open-failure.ts'
import { endWait } from './open-progress.ts'
import { createOpenStages } from './open-stages.ts'
import type { Opening } from './opening.ts'
import type { ProjectGate } from './project-gate.ts'
import type { RetirementCap } from './retirement-cap.ts'
import type { RoomTokens } from './room-tokens.ts'
import type { TakeSlot } from './slot-taker.ts'

interface OpenAttemptsDeps {
  readonly sessions: SessionStore
  readonly takeSlot: TakeSlot
  readonly commitSlot: CommitSlot
  readonly behind: Pick<ActivationsBehind, 'hasRoom' | 'begin'>
  readonly deliver: DeliverSession
  readonly tokens: RoomTokens
  readonly retirementCap: RetirementCap
  readonly poolSize: (agentType: string) => number
  readonly gate: Pick<ProjectGate, 'full' | 'passed' | 'takePlace'>
  readonly wakes: WakeBus
  readonly metrics: Metrics
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** The least time that a pod gets for its answer, so that no pod is retired for time that others used up. */
const leastDeliveryMs = 500
/** A failed attempt costs a pod, and a fourth one would help nobody. */
const mostAttempts = 3

/** What an open came to. */
export type Attempted =
  /** The session is this open's own. `confirms`: its pod can be asked later whether it serves the session. */
  | { readonly kind: 'claimed'; readonly session: Session; readonly confirms?: boolean }
  /** Another open of this session is there, and this one follows it. */
  | { readonly kind: 'exists'; readonly session: Session }

type Delivered = { readonly kind: 'accepted'; readonly confirms: boolean } | DeliveryFailure

interface DeliveryFailure {
  readonly kind: 'failed'
  readonly fate: PodFate
  /** In words, for `pod_claims.reason`. */
  readonly reason: string
  /** Whether the pool can afford to try another pod. */
  readonly mayGoOn: boolean
}

/**
 * reserve → commit → deliver → activate, with the next pod when one does not take the session (DESIGN §3). The open that
 * claimed the pod answers once the pod has acknowledged, and its activation goes on behind the answer (ADR 45).
 */
export function createOpenAttempts(deps: OpenAttemptsDeps) {
  const { sessions, takeSlot, commitSlot, behind, deliver, tokens, retirementCap, poolSize, gate } = deps
  const { metrics, now } = deps
  const stages = createOpenStages(metrics, now)

  /** Goes on from `prior` until a pod has acknowledged the session and its caller may be told; throws when none does in time. */
  async function run(opening: Opening, prior: Prior): Promise<Attempted> {
    const attempted = await untilAcknowledged(opening, prior)
    if (attempted.kind === 'exists') return attempted
    const { session, confirms } = attempted
    const told = confirms ? activateBehind(opening, session) : undefined
    return { kind: 'claimed', session: told ?? (await activate(opening, session)) }
  }

  /** The same without the activation. `claimed` is the session on its first pod, when that is claimed already. */
  async function untilAcknowledged(opening: Opening, prior: Prior, claimed?: Session): Promise<Attempted> {
    let last = prior
    let session = claimed
    for (let attempts = 1; ; attempts += 1) {
      if (session === undefined) {
        const attempted = await claimPod(opening, last).catch((error: unknown) =>
          giveUp(opening, last, error),
        )
        if (attempted.kind === 'exists') return attempted
        session = attempted.session
      }
      const delivered = await deliverTo(opening, session)
      if (delivered.kind === 'accepted') return { kind: 'claimed', session, confirms: delivered.confirms }
      const failure = delivered
      last = { kind: 'undelivered', session, reason: failure.reason }
      if (session.pod) opening.progress.tried.add(session.pod.uid)
      session = undefined
      if (!failure.mayGoOn) await giveUp(opening, last, poolDegraded(), failure.fate)
      if (attempts >= mostAttempts || now() >= opening.progress.deadline)
        await giveUp(opening, last, deliveryFailed(failure.reason))
    }
  }

  /** Takes pods until one is committed to this session, or until another open of the session is found. */
  async function claimPod(opening: Opening, prior: Prior): Promise<Attempted> {
    const { request, context, identity, progress } = opening
    let attempt = prior.session?.epoch ?? 0
    for (;;) {
      const begun = now()
      const slot = await traced('reserve', () =>
        takeSlot(
          {
            agentType: request.agentType,
            sessionId: identity.id,
            wait: opening.onEmpty === 'wait',
            waitUntil: progress.waitUntil,
            headStartMs: context.headStartMs ?? 0,
            queuePlace: progress.queuePlace,
            arrival: progress.arrival,
            signal: context.signal,
            takePlace: (forMs) => gate.takePlace(opening, forMs),
          },
          attempt,
          progress.tried,
        ),
      )
      stages.note(progress, 'reserve', now() - begun - slot.waitedMs)
      if (slot.waited) {
        stages.note(progress, 'wait', slot.waitedMs)
        endWait(progress, now())
      }
      attempt = slot.attempt
      const outcome = await stages.timed(progress, 'commit', () => commitSlot(opening, prior, slot))
      if (outcome.kind === 'committed') {
        gate.passed(request.projectId)
        return { kind: 'claimed', session: outcome.session }
      }
      if (outcome.kind === 'session-exists') return { kind: 'exists', session: outcome.session }
      if (outcome.kind === 'project-full') throw gate.full(request.projectId)
      progress.tried.add(slot.pod.uid)
      if (now() >= progress.deadline)
        throw new GreenroomError('GRN_POOL_EMPTY', undefined, { retryAfterMs: 1_000 })
    }
  }

  async function deliverTo(opening: Opening, session: Session): Promise<Delivered> {
    const { agentType } = opening.request
    const outcome = await assign(opening, session)
    metrics.deliveries.inc({ agent_type: agentType, outcome: outcome.kind })
    if (outcome.kind === 'accepted') return { kind: 'accepted', confirms: outcome.echo.confirms === true }
    const podUid = session.pod?.uid ?? ''
    const mayGoOn = await retirementCap.admit({ agentType, podUid, poolSize: () => poolSize(agentType) })
    // Beyond the cap the fault is not the pods': a pod that heard nothing is kept for later.
    const isKept = !mayGoOn && outcome.kind === 'unreachable' && outcome.untouched
    if (!isKept) metrics.podsRetired.inc({ agent_type: agentType, cause: outcome.kind })
    opening.context.logger.warn(
      { sessionId: session.id, pod: session.pod?.name, outcome: outcome.kind, reason: outcome.reason },
      'pod did not take the session',
    )
    const reason = `${outcome.kind}: ${outcome.reason}`
    return {
      kind: 'failed',
      reason,
      mayGoOn,
      fate: isKept ? { kind: 'release' } : { kind: 'retire', reason },
    }
  }

  function assign({ request, progress, context }: Opening, session: Session): Promise<DeliveryOutcome> {
    const remaining = Math.max(leastDeliveryMs, progress.deadline - now())
    return stages.timed(progress, 'deliver', async () => {
      const livekit = await tokens.agent(progress.tokens, session)
      const delivered = deliver(
        session,
        { secrets: request.secrets, livekit, trace: context.trace },
        remaining,
      )
      tokens.beginParticipant(progress.tokens, session)
      return delivered
    })
  }

  /** Repeats the delivery of a PENDING session: whether its pod takes it, again or for the first time. */
  async function isAcknowledged(opening: Opening, pending: Session): Promise<boolean> {
    return (await assign(opening, pending)).kind === 'accepted'
  }

  function noteActive({ progress }: Opening, { id, epoch }: Session): Promise<ActivatedTimes | undefined> {
    return stages.timed(progress, 'activate', () => sessions.activate(id, epoch, progress.stagesMs))
  }

  /**
   * What the caller is told before the row says so: nothing that an activation by anybody else would write otherwise, and
   * of the lease no more than the row holds. undefined when the open has to wait for its activation.
   */
  function activateBehind(opening: Opening, pending: Session): Session | undefined {
    const { opener, claimedAt } = pending
    if (opener === undefined || opener !== opening.opener || !behind.hasRoom()) return undefined
    behind.begin(pending, () => noteActive(opening, pending))
    return { ...pending, status: 'ACTIVE', activeAt: claimedAt }
  }

  async function activate(opening: Opening, pending: Session): Promise<Session> {
    const times = await noteActive(opening, pending)
    if (times) return { ...pending, ...times, status: 'ACTIVE', heldByReplica: undefined }
    const present = await sessions.get(pending.id)
    // Another open of the same key was faster: here or, when this acknowledgement came late, on the next pod.
    if (present?.status === 'ACTIVE') return present
    if (present && (present.status === 'PENDING' || isRetryableFailure(present))) throw deliveryFailed()
    throw new GreenroomError('GRN_SESSION_OVER', 'The session was ended while it was being opened.')
  }

  /** No pod can be had. The PENDING row must not stay behind, and its pod must not serve again. */
  async function giveUp(opening: Opening, prior: Prior, error: unknown, fate?: PodFate): Promise<never> {
    const { context, request } = opening
    if (prior.kind === 'undelivered' && !context.handsOver?.()) {
      const { session, reason } = prior
      try {
        await sessions.failOpen(session, reasonOf(opening, error), fate ?? { kind: 'retire', reason })
      } catch (failure) {
        // Its lease ends it: no session is PENDING for longer.
        context.logger.warn({ err: failure, sessionId: session.id }, 'failed open could not be recorded')
      }
      // The controller takes the pod away and makes another.
      deps.wakes.publish({ kind: 'claimed', agentType: request.agentType })
    }
    throw error
  }

  return {
    run,
    untilAcknowledged,
    isAcknowledged,
    activate,

    /** Whether the pool is Degraded. Opens under way together may fail together, so each asks before it takes a pod. */
    isDegraded: ({ request: { agentType } }: Opening): boolean =>
      retirementCap.reached(agentType, () => poolSize(agentType)),

    /** Repeats the delivery of a PENDING session; undefined when its pod does not take it. */
    async redeliver(opening: Opening, pending: Session): Promise<Session | undefined> {
      return (await isAcknowledged(opening, pending)) ? activate(opening, pending) : undefined
    },
  }
}

export type OpenAttempts = ReturnType<typeof createOpenAttempts>

function reasonOf({ context }: Opening, error: unknown): EndReason {
  if (context.signal.aborted) return endReason.abandoned
  return isPoolEmpty(error) ? endReason.poolEmpty : endReason.deliveryFailed
}

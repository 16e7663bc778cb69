import type { AgentDelivery, DocumentView, PodView } from '../domain/cluster-ports.ts'
import type { PoolNotices, SlotIndex, WakeBus } from '../domain/index-ports.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import type { PoolRevisions, UsageReader } from '../domain/pool-ports.ts'
import type { ProjectLimitStore, ProjectQuotas } from '../domain/project-limits.ts'
import type { RoomAccess } from '../domain/room-ports.ts'
import type { ClaimLedger, SessionStore } from '../domain/session-ports.ts'
import type { TimelineReader } from '../domain/session-timeline.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { createActivationsBehind } from './activations-behind.ts'
import { createAwaitFitness } from './await-fitness.ts'
import { createAwaitSession } from './await-session.ts'
import { createBatchSlots } from './batch-slots.ts'
import { createBeginOpen } from './begin-open.ts'
import { createBrowserTokens } from './browser-token.ts'
import { createCloseSession } from './close-session.ts'
import { createColdOpens } from './cold-open.ts'
import { createCommitSlot } from './commit-slot.ts'
import { createCompleteColdOpen } from './complete-cold-open.ts'
import { createDecideBatch } from './decide-batch.ts'
import { createDeliverBatch } from './deliver-batch.ts'
import { createDeliverSession } from './deliver-session.ts'
import { createDeliveryAhead } from './delivery-ahead.ts'
import { createEmptyPool } from './empty-pool.ts'
import { createJoinSession } from './join-session.ts'
import { createListSessions } from './list-sessions.ts'
import { createOpenAttempts } from './open-attempts.ts'
import { createOpenBatch } from './open-batch.ts'
import { createOpenSession } from './open-session.ts'
import { createPoolWaiters } from './pool-waiters.ts'
import { createProjectGate } from './project-gate.ts'
import { createProjectLimits } from './project-limits-view.ts'
import { createReadPools } from './read-pools.ts'
import { createReadTimeline } from './read-timeline.ts'
import { createReadUsage } from './read-usage.ts'
import { createRefillRate } from './refill-rate.ts'
import { createReleaseSlot } from './release-slot.ts'
import { createRenewSession } from './renew-session.ts'
import { createRetirementCap } from './retirement-cap.ts'
import { createRoomTokens } from './room-tokens.ts'
import { createSessionIdentity } from './session-identity.ts'
import { createSessionTokens } from './session-token.ts'
import { createSettleSessions } from './settle-sessions.ts'
import { createSlotCandidates } from './slot-candidates.ts'
import { isServable } from './slot-fitness.ts'
import { createSlotTaker } from './slot-taker.ts'
import { createSteerRollout } from './steer-rollout.ts'
import { createTakeRoomEvent } from './take-room-event.ts'
import { createUndoOpen } from './undo-open.ts'

/** What one API replica needs of the world; see `domain/ports.ts`. */
interface SessionApiDeps {
  readonly sessions: SessionStore
  readonly ledger: Pick<ClaimLedger, 'claimsOf' | 'slotClaims'>
  readonly index: SlotIndex
  readonly notices: PoolNotices
  readonly usage: UsageReader
  readonly poolRevisions: PoolRevisions
  readonly projectLimits: ProjectLimitStore
  readonly timelines: TimelineReader
  readonly projectQuotas: ProjectQuotas
  readonly wakes: WakeBus
  readonly pods: PodView
  readonly pools: DocumentView<PoolsDocument>
  readonly delivery: AgentDelivery
  /** undefined without LiveKit. */
  readonly roomAccess: RoomAccess | undefined
  /** Makes session ids of Idempotency-Keys, fingerprints and session tokens: the same in all replicas. */
  readonly hmacSecret: string
  /** Where agents renew and finish; undefined when they have no way to the session API. */
  readonly apiUrl: string | undefined
  /** Name of this replica, as in ReplicaLiveness. */
  readonly replica: string
  /** Aborted when this replica drains. */
  readonly draining: AbortSignal
  readonly metrics: Metrics
  readonly logger: Logger
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Everything that can be asked of sessions and pools in one API replica. */
export function createSessionApi(deps: SessionApiDeps) {
  const { sessions, ledger, index, notices, wakes, pods, pools, roomAccess, metrics, now } = deps
  const sessionTokens = createSessionTokens(deps.hmacSecret)
  const behind = createActivationsBehind({ metrics, logger: deps.logger })
  const settle = createSettleSessions({ ...deps, behind })
  const { settled } = settle
  /** As callers read: a session that they may have been told of is settled first. */
  const settledGet: SessionStore['get'] = async (id, projectId) => {
    const session = await sessions.get(id, projectId)
    return session && settled(session)
  }
  const awaitSession = createAwaitSession({ sessions: { get: settledGet }, wakes, now })
  const waiters = createPoolWaiters({ index, metrics, clock: () => Date.now() })
  wakeWaiters()

  const candidates = createSlotCandidates(pods, deps.replica)
  const tokens = createRoomTokens(roomAccess)
  const emptyPool = createEmptyPool(notices)
  const limits = createProjectLimits({ store: deps.projectLimits, wakes, now })
  const gate = createProjectGate({ limits, quotas: deps.projectQuotas, metrics, now })
  const refillRate = createRefillRate(pods, now)
  const { deliver, prepare } = createDeliverSession({
    delivery: deps.delivery,
    pods,
    sessionToken: (sessionId, epoch) => sessionTokens.mint(sessionId, epoch),
    apiUrl: deps.apiUrl,
  })
  const awaitFitness = createAwaitFitness({ pods, now })
  const releaseSlot = createReleaseSlot({ index, candidates, wakes, metrics })
  const slots = {
    index,
    pods,
    candidates,
    awaitFitness,
    waiters,
    refillRate,
    emptyPool,
    wakes,
    metrics,
    now,
  }
  const attempts = createOpenAttempts({
    sessions,
    takeSlot: createSlotTaker(slots),
    commitSlot: createCommitSlot({
      sessions,
      releaseSlot,
      prepareAhead: createDeliveryAhead({ tokens, prepare }),
    }),
    behind,
    deliver,
    tokens,
    retirementCap: createRetirementCap({ index, now }),
    poolSize: (agentType) => pods.byPool(agentType).length,
    gate,
    wakes,
    metrics,
    now,
  })
  const coldOpens = createColdOpens({
    ...deps,
    attempts,
    emptyPool,
    gate,
    completeColdOpen: createCompleteColdOpen({ ...deps, attempts, awaitSession }),
    awaitSession,
  })

  const beginOpen = createBeginOpen({ pools, identify: createSessionIdentity(deps.hmacSecret), now })
  const openSession = createOpenSession({
    beginOpen,
    sessions,
    attempts,
    coldOpens,
    gate,
    tokens,
    settled,
    metrics,
    now,
  })
  const undoOpen = createUndoOpen({ sessions, wakes })
  const openBatch = createOpenBatch({
    beginOpen,
    openSession,
    sessions,
    attempts,
    decide: createDecideBatch({
      sessions,
      takeSlots: createBatchSlots({ ...slots, gate }),
      releaseSlot,
      undoOpen,
      tokens,
      gate,
      metrics,
      now,
    }),
    deliver: createDeliverBatch({ attempts, undoOpen }),
    gate,
    tokens,
    metrics,
    now,
  })

  const joinSession = createJoinSession({ sessions, metrics })

  /** Slots became free: those that another process indexed, and pods that became Ready while Redis is away. */
  function wakeWaiters(): void {
    wakes.subscribe((wake) => {
      if (wake.kind === 'indexed') waiters.wake(wake.agentType)
    })
    pods.onChange(({ pod, gone }) => {
      if (!gone && isServable(pod)) waiters.wake(pod.agentType)
    })
  }

  return {
    openSession,
    openBatch,
    renewSession: createRenewSession({ sessions, settled, metrics }),
    joinSession,
    takeRoomEvent: createTakeRoomEvent({ joinSession, wakes, metrics, now }),
    closeSession: createCloseSession({ sessions, behind, wakes }),
    awaitSession,
    listSessions: createListSessions({ sessions, settle }),
    readPools: createReadPools({ pools, pods, ledger, sessions, notices, waiters, index }),
    steerRollout: createSteerRollout({
      pools,
      pods,
      ledger,
      revisions: deps.poolRevisions,
      clock: () => Date.now(),
    }),
    projectLimits: limits,
    readUsage: createReadUsage({ usage: deps.usage, pools }),
    sessions: { get: settledGet },
    timelines: createReadTimeline({ timelines: deps.timelines, sessions: { get: settledGet }, behind }),
    roomAccess,
    sessionTokens,
    browserTokens: createBrowserTokens(deps.hmacSecret, () => Date.now()),
    /** To be called every second: goes on with cold opens whose replica was lost. */
    adoptOrphans: () => coldOpens.adoptOrphans(),
    /** To be called every second: settles sessions that lost opens of any replica have left PENDING. */
    settleLeftBehind: () => settle.sweep(),
    /** When draining: waits until nothing runs behind an answer here, and releases what this replica holds. */
    handOver: () => coldOpens.handOver(),
    /** When nothing is opened here any more: resolves when PostgreSQL has every session that was told here as ACTIVE. */
    activationsDone: () => behind.done(),
  }
}

export type SessionApi = ReturnType<typeof createSessionApi>

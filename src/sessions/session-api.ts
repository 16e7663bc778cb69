import type { AgentDelivery, DocumentView, PodView } from '../domain/cluster-ports.ts'
import type { PoolNotices, SlotIndex, WakeBus } from '../domain/index-ports.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import type { PoolRevisions, UsageReader } from '../domain/pool-ports.ts'
import type { ProjectLimitStore, ProjectQuotas } from '../domain/project-limits.ts'
import type { RoomAccess } from '../domain/room-ports.ts'
import type { ClaimLedger, SessionStore } from '../domain/session-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { createAwaitSession } from './await-session.ts'
import { createBrowserTokens } from './browser-token.ts'
import { createCloseSession } from './close-session.ts'
import { createColdOpens } from './cold-open.ts'
import { createCommitSlot } from './commit-slot.ts'
import { createCompleteColdOpen } from './complete-cold-open.ts'
import { createDeliverSession } from './deliver-session.ts'
import { createDeliveryAhead } from './delivery-ahead.ts'
import { createEmptyPool } from './empty-pool.ts'
import { createJoinSession } from './join-session.ts'
import { createListSessions } from './list-sessions.ts'
import { createOpenAttempts } from './open-attempts.ts'
import { createOpenSession } from './open-session.ts'
import { createPoolWaiters } from './pool-waiters.ts'
import { createProjectGate } from './project-gate.ts'
import { createProjectLimits } from './project-limits-view.ts'
import { createReadPools } from './read-pools.ts'
import { createReadUsage } from './read-usage.ts'
import { createRefillRate } from './refill-rate.ts'
import { createRenewSession } from './renew-session.ts'
import { createRetirementCap } from './retirement-cap.ts'
import { createRoomTokens } from './room-tokens.ts'
import { createSessionIdentity } from './session-identity.ts'
import { createSessionTokens } from './session-token.ts'
import { createSlotCandidates } from './slot-candidates.ts'
import { isServable } from './slot-fitness.ts'
import { createSlotTaker } from './slot-taker.ts'
import { createSteerRollout } from './steer-rollout.ts'
import { createTakeRoomEvent } from './take-room-event.ts'

/** What one API replica needs of the world; see `domain/ports.ts`. */
interface SessionApiDeps {
  readonly sessions: SessionStore
  readonly ledger: Pick<ClaimLedger, 'claimsOf'>
  readonly index: SlotIndex
  readonly notices: PoolNotices
  readonly usage: UsageReader
  readonly poolRevisions: PoolRevisions
  readonly projectLimits: ProjectLimitStore
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
  const awaitSession = createAwaitSession({ sessions, wakes, now })
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
  const attempts = createOpenAttempts({
    sessions,
    takeSlot: createSlotTaker({
      index,
      pods,
      candidates,
      waiters,
      refillRate,
      emptyPool,
      wakes,
      metrics,
      now,
    }),
    commitSlot: createCommitSlot({
      sessions,
      index,
      candidates,
      wakes,
      metrics,
      prepareAhead: createDeliveryAhead({ tokens, prepare }),
    }),
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
    openSession: createOpenSession({
      pools,
      sessions,
      attempts,
      coldOpens,
      gate,
      identify: createSessionIdentity(deps.hmacSecret),
      tokens,
      metrics,
      now,
    }),
    renewSession: createRenewSession({ sessions, metrics }),
    joinSession,
    takeRoomEvent: createTakeRoomEvent({ joinSession, wakes, metrics, now }),
    closeSession: createCloseSession({ sessions, wakes }),
    awaitSession,
    listSessions: createListSessions({ sessions }),
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
    sessions,
    roomAccess,
    sessionTokens,
    browserTokens: createBrowserTokens(deps.hmacSecret, () => Date.now()),
    /** To be called every second: goes on with cold opens whose replica was lost. */
    adoptOrphans: () => coldOpens.adoptOrphans(),
    /** When draining: waits until nothing runs behind an answer here, and releases what this replica holds. */
    handOver: () => coldOpens.handOver(),
  }
}

export type SessionApi = ReturnType<typeof createSessionApi>

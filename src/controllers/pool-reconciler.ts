import { type AgentPod, asOf, servedPods } from '../domain/agent-pod.ts'
import type { DocumentView, PodView, PodWriter } from '../domain/cluster-ports.ts'
import type { PoolNotices, SlotIndex } from '../domain/index-ports.ts'
import { keptFailures } from '../domain/kept-failures.ts'
import type { PodWriteError, PodWriteReason } from '../domain/pod-write-error.ts'
import type { PoolSpec, PoolsDocument } from '../domain/pool.ts'
import { createPoolExpectations } from '../domain/pool-expectations.ts'
import { type ObservedPool, observePool, type SlotView } from '../domain/pool-observation.ts'
import { type PoolPlan, planPool } from '../domain/pool-plan.ts'
import { isOwnPod } from '../domain/pool-pod.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import type { AgentRemovals } from './agent-removals.ts'
import { allDone } from './all-done.ts'
import { desiredIn, desiredOf } from './desired-pool.ts'
import { createFailedPods } from './failed-pods.ts'
import type { IndexSync } from './index-sync.ts'
import type { PodDeaths } from './pod-deaths.ts'
import type { PodGrowth } from './pod-growth.ts'
import { createPoolAnnouncements } from './pool-announcements.ts'
import { createPoolCreates, type PoolRecord } from './pool-creates.ts'
import type { PoolEvents } from './pool-events.ts'
import { createPoolFailures } from './pool-failures.ts'
import type { PoolPods } from './pool-pods.ts'
import { createPoolRemovals } from './pool-removals.ts'
import type { CanaryLook, PoolRollouts, RolloutLook } from './pool-rollouts.ts'
import type { PoolRoom } from './pool-room.ts'
import type { PoolTarget, PoolTargets } from './pool-targets.ts'
import type { RecentWrites } from './recent-writes.ts'
import { createSharedOutage } from './shared-outage.ts'

interface PoolReconcilerDeps {
  readonly pools: DocumentView<PoolsDocument>
  readonly pods: PodView
  readonly ledger: ClaimLedger
  readonly poolPods: PoolPods
  readonly writer: PodWriter
  readonly indexSync: IndexSync
  readonly index: Pick<SlotIndex, 'waiting'>
  readonly recentWrites: RecentWrites
  readonly notices: PoolNotices
  readonly poolEvents: PoolEvents
  readonly targets: Pick<PoolTargets, 'look' | 'forget' | 'noteCause'>
  readonly podDeaths: PodDeaths
  readonly agentRemovals: AgentRemovals
  readonly poolRoom: PoolRoom
  readonly podGrowth: PodGrowth
  readonly rollouts: PoolRollouts
  /** A node that was silent for this long has lost its pods. */
  readonly nodeLostMs: number
  /** Makes an Event of what keeps a pool from its pods. The same message is one Event with a count. */
  readonly report: (agentType: string, reason: string, message: string) => void
  readonly metrics: Metrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

/** What is remembered of a pool between reconciles. Everything else is read anew. */
interface PoolMemory extends PoolRecord {
  /** Hash of the last template of which a pod was Ready. */
  proven: string | undefined
  /** What the quotas allowed at the last look. */
  quotaPods: number | undefined
}

/** Reconciles one pool, level-triggered: read everything, plan, act. It holds no rule; every number comes from the plan. */
export function createPoolReconciler(deps: PoolReconcilerDeps) {
  const {
    pools,
    pods,
    ledger,
    poolPods,
    writer,
    indexSync,
    recentWrites,
    poolRoom,
    podGrowth,
    targets,
    rollouts,
    metrics,
    logger,
    now,
  } = deps
  const memories = new Map<string, PoolMemory>()
  const outage = createSharedOutage(now)
  const failedPods = createFailedPods({ pods, writer, recentWrites })
  const removals = createPoolRemovals({
    pods,
    ledger,
    writer,
    recentWrites,
    indexSync,
    podDeaths: deps.podDeaths,
    agentRemovals: deps.agentRemovals,
    metrics,
    now,
  })
  const announcements = createPoolAnnouncements({
    notices: deps.notices,
    poolEvents: deps.poolEvents,
    poolRoom,
    rollouts,
    podGrowth,
    report: deps.report,
    metrics,
    logger,
  })
  const creates = createPoolCreates({ writer, poolPods, targets, report: deps.report, metrics, logger, now })

  function memoryOf(agentType: string): PoolMemory {
    const known = memories.get(agentType)
    if (known) return known
    const memory: PoolMemory = {
      agentType,
      expectations: createPoolExpectations(),
      failures: createPoolFailures({ agentType, outage, now }),
      allowance: undefined,
      proven: undefined,
      quotaPods: undefined,
    }
    memories.set(agentType, memory)
    return memory
  }

  /** A pool that is not wanted and has no pods. */
  async function forget(agentType: string): Promise<void> {
    memories.delete(agentType)
    announcements.forget(agentType)
    poolRoom.forget(agentType)
    indexSync.forget(agentType)
    poolPods.forget(agentType)
    targets.forget(agentType)
    await rollouts.forget(agentType)
  }

  /** The claims of these pods, and those without a claim that serve a session which the ledger does not know. */
  async function claimsOn(seen: readonly AgentPod[]) {
    const claims = await ledger.claimsOf(seen.map((pod) => pod.uid))
    const unclaimed = servedPods(seen.filter(({ uid }) => !claims.has(uid)))
    return { claims, forgotten: new Set(await ledger.forgotten(unclaimed)) }
  }

  /** Everything that is seen of one pool now. */
  async function look(agentType: string, spec: PoolSpec | undefined, seen: readonly AgentPod[]) {
    const [{ claims, forgotten }, coldWaiting, origins, waiting, rollout] = await Promise.all([
      claimsOn(seen),
      ledger.coldWaiting(agentType),
      poolPods.originsOf(agentType, seen),
      deps.index.waiting(agentType),
      spec && rollouts.look(agentType, spec),
    ])
    const observed = observePool({
      agentType,
      pods: seen,
      claims,
      templateHash: rollout?.main.templateHash,
      origins: origins.byUid,
      forgotten,
      isDrifted: rollout?.isDrifted,
      start: spec && { now: now(), startDeadlineMs: spec.startDeadlineSeconds * 1_000 },
    })
    // An open that waits makes refused creates worth trying more often.
    const isWaitedFor = (waiting ?? 0) > 0 || coldWaiting > 0
    return {
      spec,
      seen,
      observed,
      coldWaiting,
      waiting,
      isWaitedFor,
      rollout,
      originsAgainMs: origins.againMs,
    }
  }

  /** Resolves with the time after which to look again although nothing changed, ms. */
  async function reconcile(agentType: string): Promise<number | undefined> {
    const document = pools.current()
    // Until a document was accepted nothing says what is wanted, so the pools are left untouched.
    if (!document) return undefined
    const spec = Object.hasOwn(document.pools, agentType) ? document.pools[agentType] : undefined
    const seen = pods.byPool(agentType).map((pod) => asOf(pod, { now: now(), nodeLostMs: deps.nodeLostMs }))
    if (!spec && seen.length === 0) {
      await forget(agentType)
      return undefined
    }
    const memory = memoryOf(agentType)
    const indexLook = await indexSync.look(agentType)
    const found = await look(agentType, spec, seen)
    const { observed, rollout, isWaitedFor } = found
    poolPods.tell(agentType, observed.slots)
    const shown = new Set(seen.map((pod) => pod.uid))
    await creates.resolveUnanswered(memory, shown)
    memory.expectations.settle(shown, now())
    announcements.failed(agentType, memory.failures.observe(observed, spec), memory.failures)
    if (observed.slots.some(isProof)) memory.proven = rollout?.main.templateHash
    const canary = await rollouts.judge(agentType, rollout, observed)
    const { plan, target, room, kept } = await planOf(memory, found, canary)
    announcements.counts(agentType, observed)
    const crowded = podGrowth.onCrowdedNodes(agentType)
    await indexSync.sync(agentType, observed.slots, { look: indexLook, crowded })
    memory.failures.settle(plan, memory.expectations.pendingCreates(), observed)
    try {
      await allDone([
        rollout && makePods(memory, { rollout, canary, count: plan.create, isWaitedFor }),
        removals.retire(memory, plan.retire, { observed, kept }),
        removals.tidy(observed, { seen, kept }),
        failedPods.mark(observed.slots, kept),
        podGrowth.grow(agentType, observed.slots),
      ])
    } finally {
      // The notice is posted even when one of the writes failed.
      const waiting = (found.waiting ?? 0) + found.coldWaiting
      const outcome = { plan, target, room, rollout, observed, waiting }
      await announcements.post(agentType, memory.failures, outcome)
    }
    const againMs = [plan.requeueAfterMs, found.originsAgainMs, target?.againMs, canary.againMs]
    return earliest(...againMs)
  }

  async function planOf(
    memory: PoolMemory,
    { spec, observed, coldWaiting, waiting, isWaitedFor, rollout }: Awaited<ReturnType<typeof look>>,
    canary: CanaryLook,
  ) {
    const { agentType, expectations } = memory
    const pendingCreates = expectations.pendingCreates()
    const target = await targetOf(memory, spec, observed, waiting)
    const desired = desiredIn(rollout, desiredOf(spec, target, coldWaiting), canary)
    const room = poolRoom.take(agentType, {
      spec,
      observed,
      pendingCreates,
      desired,
      isTargetCut: target?.boundBy === 'quota',
    })
    memory.quotaPods = room.share.allowed
    const kept = keptFailures(observed.slots, {
      keep: spec?.keepFailed ?? 0,
      max: desired.max,
      idle: desired.min + desired.cold,
    })
    const isProven = rollout?.main.isProven || memory.proven === rollout?.main.templateHash
    const planned = planPool({
      desired: room.desired,
      quotaPlaces: room.quotaPlaces,
      slots: observed.slots.filter(countsInPool),
      pendingCreates,
      pendingRemovals: expectations.pendingRemovals(),
      kept,
      allowance: creates.allowance(memory, spec),
      failures: memory.failures.forPlan(isWaitedFor),
      unproven: !isProven,
      now: now(),
    })
    const isTurn = planned.create === 0 || outage.takeTurn()
    const plan: PoolPlan = isTurn ? planned : { ...planned, create: 0, boundBy: 'backoff' }
    return { plan, target, room, kept }
  }

  async function makePods(
    memory: PoolMemory,
    wanted: {
      readonly rollout: RolloutLook
      readonly canary: CanaryLook
      readonly count: number
      readonly isWaitedFor: boolean
    },
  ): Promise<void> {
    const { rollout, canary, ...rest } = wanted
    const made = await creates.make(memory, {
      ...rest,
      spec: rollout.spec,
      canary: { spec: rollout.document, count: canary.missing },
    })
    rollouts.sent(memory.agentType, made)
  }

  async function targetOf(
    { agentType, expectations, failures, quotaPods: quota }: PoolMemory,
    spec: PoolSpec | undefined,
    observed: ObservedPool,
    waiting = 0,
  ): Promise<PoolTarget | undefined> {
    if (!spec) {
      targets.forget(agentType)
      return undefined
    }
    const pendingCreates = expectations.pendingCreates()
    const failing = failures.forPlan(false).count > 0
    return targets.look(agentType, { spec, observed, pendingCreates, failing, waiting, quota })
  }

  return {
    reconcile,
    /** Something outside happened that may let refused creates pass. Returns the pools that should be looked at. */
    ease(causes: readonly PodWriteReason[]): readonly string[] {
      return [...memories].flatMap(([agentType, { failures }]) =>
        failures.ease(causes) || (causes.includes('quota') && poolRoom.isBound(agentType)) ? [agentType] : [],
      )
    },
    /** A dry run of the pool's pod passed, or was refused. */
    tried(agentType: string, refusal: PodWriteError | undefined): void {
      memories.get(agentType)?.failures.tried(refusal)
    },
    /** The informer lost this pod, so a removal or a create that waited for it is over. */
    podGone(agentType: string, podUid: string): void {
      memories.get(agentType)?.expectations.podGone(podUid)
    },
    /** Pools that are wanted or have pods. */
    poolsToWatch(): readonly string[] {
      const types = new Set(pods.all().map((pod) => pod.agentType))
      for (const agentType of Object.keys(pools.current()?.pools ?? {})) types.add(agentType)
      for (const agentType of memories.keys()) types.add(agentType)
      return [...types]
    },
  }
}

export type PoolReconciler = ReturnType<typeof createPoolReconciler>

/** What others made is no part of the plan, unless a session is on it. */
function countsInPool({ origin, claim, forgotten }: SlotView): boolean {
  return isOwnPod(origin) || claim?.purpose === 'session' || forgotten === true
}

function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const given = times.filter((ms) => ms !== undefined)
  return given.length === 0 ? undefined : Math.min(...given)
}

/** A pod that shows that the template in force works. */
function isProof({ drifted, state, readySince }: SlotView): boolean {
  return !drifted && (readySince !== undefined || state === 'claimed')
}

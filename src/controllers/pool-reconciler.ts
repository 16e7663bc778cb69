import { type AgentPod, asOf, endOfSessionOn } from '../domain/agent-pod.ts'
import type { PodWriteError, PodWriteReason } from '../domain/pod-write-error.ts'
import type { PoolSpec, PoolsDocument } from '../domain/pool.ts'
import { createPoolExpectations } from '../domain/pool-expectations.ts'
import {
  type ObservedPool,
  type ObservedState,
  observePool,
  type SlotView,
} from '../domain/pool-observation.ts'
import { type PoolPlan, planPool } from '../domain/pool-plan.ts'
import { isOwnPod, originFault } from '../domain/pool-pod.ts'
import type { PoolProblem } from '../domain/pool-problem.ts'
import type {
  ClaimLedger,
  DocumentView,
  PodView,
  PodWriter,
  PoolNotice,
  PoolNotices,
  SlotIndex,
} from '../domain/ports.ts'
import { templateHash } from '../domain/slot-pod.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import type { AgentRemovals } from './agent-removals.ts'
import { allDone } from './all-done.ts'
import type { IndexSync } from './index-sync.ts'
import type { PodDeaths } from './pod-deaths.ts'
import { createPoolCreates, type PoolRecord } from './pool-creates.ts'
import { createPoolFailures } from './pool-failures.ts'
import type { PoolPods } from './pool-pods.ts'
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
  readonly podDeaths: PodDeaths
  readonly agentRemovals: AgentRemovals
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
  /** What was told last. */
  problem: PoolProblem | undefined
}

/** What the plan says while another pool tries for all. */
const backoff = 'backoff' as const

const countedStates: readonly ObservedState[] = ['warming', 'ready', 'claimed', 'draining', 'failed']

/** For a pool that was removed: idle pods drain, claimed ones stay. */
const unwanted = { min: 0, cold: 0, max: 0, inFlight: 1, frozen: false }

/** Reconciles one pool, level-triggered: read everything, plan, act. It holds no rule; every number comes from the plan. */
export function createPoolReconciler(deps: PoolReconcilerDeps) {
  const { pools, pods, ledger, poolPods, writer, indexSync, recentWrites, metrics, logger, now } = deps
  const memories = new Map<string, PoolMemory>()
  const outage = createSharedOutage(now)
  const creates = createPoolCreates({ writer, poolPods, report: deps.report, metrics, logger, now })

  function memoryOf(agentType: string): PoolMemory {
    const known = memories.get(agentType)
    if (known) return known
    const memory: PoolMemory = {
      agentType,
      expectations: createPoolExpectations(),
      failures: createPoolFailures({ agentType, outage, now }),
      proven: undefined,
      problem: undefined,
    }
    memories.set(agentType, memory)
    return memory
  }

  /** Resolves with the time after which to look again although nothing changed, ms. */
  async function reconcile(agentType: string): Promise<number | undefined> {
    const document = pools.current()
    // Until a document was accepted nothing says what is wanted, so the pools are left untouched.
    if (!document) return undefined
    const spec = Object.hasOwn(document.pools, agentType) ? document.pools[agentType] : undefined
    const seen = pods.byPool(agentType).map((pod) => asOf(pod, { now: now(), nodeLostMs: deps.nodeLostMs }))
    if (!spec && seen.length === 0) {
      tell(agentType, memoryOf(agentType), undefined)
      memories.delete(agentType)
      for (const state of countedStates) metrics.poolSlots.remove({ agent_type: agentType, state })
      indexSync.forget(agentType)
      poolPods.forget(agentType)
      return undefined
    }
    const memory = memoryOf(agentType)
    const podUids = seen.map((pod) => pod.uid)
    const [claims, coldWaiting, origins, isWaitedFor] = await Promise.all([
      ledger.claimsOf(podUids),
      ledger.coldWaiting(agentType),
      poolPods.originsOf(agentType, seen),
      isWaiting(agentType, memory),
    ])
    const hash = spec && templateHash(agentType, spec)
    const observed = observePool({
      agentType,
      pods: seen,
      claims,
      templateHash: hash,
      origins: origins.byUid,
    })
    poolPods.tell(agentType, observed.slots)
    const shown = new Set(podUids)
    await creates.resolveUnanswered(memory, shown)
    memory.expectations.settle(shown, now())
    noteFailures(agentType, memory, observed, spec)
    if (observed.slots.some(isProof)) memory.proven = hash
    const planned = planPool({
      desired: spec
        ? {
            ...spec,
            inFlight: spec.refill.inFlight,
            cold: Math.min(coldWaiting, spec.coldStart.max),
          }
        : unwanted,
      slots: observed.slots.filter(countsInPool),
      pendingCreates: memory.expectations.pendingCreates(),
      pendingRemovals: memory.expectations.pendingRemovals(),
      failures: memory.failures.forPlan(isWaitedFor || coldWaiting > 0),
      unproven: memory.proven !== hash,
      now: now(),
    })
    const plan =
      planned.create > 0 && !outage.takeTurn() ? { ...planned, create: 0, boundBy: backoff } : planned
    showCounts(agentType, observed)
    await indexSync.sync(agentType, observed.slots)
    memory.failures.settle(plan, memory.expectations.pendingCreates(), observed)
    const foreign = foreignIn(observed, memory.expectations.pendingRemovals())
    try {
      await allDone([
        spec &&
          creates.make(memory, { spec, count: plan.create, isWaitedFor: isWaitedFor || coldWaiting > 0 }),
        retirePlanned(agentType, [...foreign, ...plan.retire], observed),
        tidy(observed, seen),
      ])
    } finally {
      // The notice is posted even when one of the writes failed.
      const problem = memory.failures.problem(plan)
      tell(agentType, memory, problem)
      await deps.notices.post(agentType, noticeOf(memory, plan, problem))
    }
    return earliest(plan.requeueAfterMs, origins.againMs)
  }

  /** Asked only while it matters: an open that waits makes refused creates worth trying more often. */
  async function isWaiting(agentType: string, { problem }: PoolMemory): Promise<boolean> {
    return problem !== undefined && ((await deps.index.waiting(agentType)) ?? 0) > 0
  }

  function noteFailures(
    agentType: string,
    memory: PoolMemory,
    observed: ObservedPool,
    spec: PoolSpec | undefined,
  ): void {
    const failed = memory.failures.observe(observed, spec)
    for (const { name, deadReason, trouble } of failed) {
      const cause = trouble?.cause ?? 'crash'
      metrics.podStartFailures.inc({ agent_type: agentType, cause })
      logger.warn({ pod: name, cause, reason: trouble?.message ?? deadReason }, 'idle pod failed')
    }
    if (failed.length === 0) return
    const { trouble, deadReason } = failed[0] ?? {}
    const message = `${trouble?.cause ?? 'crash'}: ${trouble?.message ?? deadReason}`
    deps.report(agentType, 'PodStartFailed', memory.failures.stableMessage(message))
  }

  /** The claim of a retired pod says why, so pods that others made or changed are retired by themselves. */
  async function retirePlanned(
    agentType: string,
    podUids: readonly string[],
    { slots }: ObservedPool,
  ): Promise<void> {
    const origins = new Map(slots.map(({ podUid, origin }) => [podUid, origin]))
    const byReason = Map.groupBy(
      podUids,
      (podUid) => originFault(origins.get(podUid) ?? 'ours') ?? 'surplus or dead',
    )
    await allDone([...byReason].map(([reason, uids]) => retire(agentType, uids, reason)))
  }

  /** Retiring is a claim, so a pod that a session took meanwhile is left alone. */
  async function retire(agentType: string, podUids: readonly string[], reason: string): Promise<void> {
    const { expectations } = memoryOf(agentType)
    for (const podUid of podUids) expectations.removalSent(podUid, now())
    const retired = new Set(
      await ledger.retire(podUids, reason).catch((error: unknown) => {
        for (const podUid of podUids) expectations.removalFailed(podUid)
        throw error
      }),
    )
    for (const podUid of podUids) if (!retired.has(podUid)) expectations.removalFailed(podUid)
    await indexSync.drop(agentType, [...retired])
    metrics.podsRetired.inc({ agent_type: agentType, cause: 'plan' }, retired.size)
    await allDone([...retired].map((podUid) => remove(podUid)))
  }

  async function remove(podUid: string): Promise<void> {
    const pod = pods.get(podUid)
    if (pod) await recentWrites.once(`delete ${podUid}`, () => writer.delete(pod))
  }

  /** Labels claimed pods, ends sessions on dead pods, notes agents of failed attempts, deletes pods without further use. */
  async function tidy({ slots }: ObservedPool, seen: readonly AgentPod[]): Promise<void> {
    const reasons = new Map(seen.map((pod) => [pod.uid, endOfSessionOn(pod)]))
    const live = slots.filter(holdsLiveSession)
    for (const { claim } of slots) {
      const { purpose, sessionId, epoch } = claim ?? {}
      if (purpose === 'retired' && sessionId !== undefined && epoch !== undefined)
        deps.agentRemovals.note({ sessionId, epoch })
    }
    const deaths = live.flatMap(({ podUid, claim }) => {
      const reason = reasons.get(podUid)
      return reason ? [{ podUid, reason, status: claim?.sessionStatus }] : []
    })
    await allDone([
      deps.podDeaths.end(deaths),
      ...live.filter(({ podUid }) => !reasons.get(podUid)).map((slot) => labelClaimed(slot)),
      ...slots.filter(isLeftOver).map((slot) => remove(slot.podUid)),
    ])
  }

  async function labelClaimed(slot: SlotView): Promise<void> {
    const pod = pods.get(slot.podUid)
    const sessionId = slot.claim?.sessionId
    if (!pod || sessionId === undefined || pod.sessionLabel === sessionId) return
    await recentWrites.once(`label ${pod.uid}`, () => writer.labelClaimed(pod, sessionId))
  }

  function showCounts(agentType: string, observed: ObservedPool): void {
    for (const [state, count] of Object.entries(observed.counts)) {
      metrics.poolSlots.set({ agent_type: agentType, state }, count)
    }
  }

  /** The metric and the log of what keeps the pool from its pods; both end with it. */
  function tell(agentType: string, memory: PoolMemory, problem: PoolProblem | undefined): void {
    const before = memory.problem
    memory.problem = problem
    if (before && before.cause !== problem?.cause)
      metrics.poolProblem.remove({ agent_type: agentType, cause: before.cause })
    if (problem) metrics.poolProblem.set({ agent_type: agentType, cause: problem.cause }, 1)
    else if (before)
      logger.info({ agentType, cause: before.cause, since: before.since }, 'the problem of a pool is over')
  }

  return {
    reconcile,
    /** Something outside happened that may let refused creates pass. Returns the pools that should be looked at. */
    ease(causes: readonly PodWriteReason[]): readonly string[] {
      return [...memories].flatMap(([agentType, { failures }]) => (failures.ease(causes) ? [agentType] : []))
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
function countsInPool({ origin, claim }: SlotView): boolean {
  return isOwnPod(origin) || claim?.purpose === 'session'
}

/** Pods of others that are not retired yet. They go whatever the plan is, also from a frozen pool. */
function foreignIn({ slots }: ObservedPool, pendingRemovals: ReadonlySet<string>): string[] {
  return slots
    .filter(({ origin, claim, podUid }) => origin === 'foreign' && !claim && !pendingRemovals.has(podUid))
    .map(({ podUid }) => podUid)
}

function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const given = times.filter((ms) => ms !== undefined)
  return given.length === 0 ? undefined : Math.min(...given)
}

function noticeOf({ failures }: PoolMemory, plan: PoolPlan, problem: PoolProblem | undefined): PoolNotice {
  return { boundBy: failures.boundBy() ?? plan.boundBy, message: problem?.message, problem }
}

/** A pod that shows that the template in force works. */
function isProof({ drifted, state, readySince }: SlotView): boolean {
  return !drifted && (readySince !== undefined || state === 'claimed')
}

function holdsLiveSession({ claim }: SlotView): boolean {
  return (
    claim?.purpose === 'session' && (claim.sessionStatus === 'PENDING' || claim.sessionStatus === 'ACTIVE')
  )
}

/** Retired, or claimed by a session that is over or does not exist. The session reconciler takes care of ENDING ones. */
function isLeftOver(slot: SlotView): boolean {
  const { claim, deletingSince } = slot
  if (!claim || deletingSince !== undefined) return false
  return claim.purpose === 'retired' || (!holdsLiveSession(slot) && claim.sessionStatus !== 'ENDING')
}

import { type AgentPod, asOf, endOfSessionOn } from '../domain/agent-pod.ts'
import { PodWriteError } from '../domain/pod-write-error.ts'
import type { PoolSpec, PoolsDocument } from '../domain/pool.ts'
import { createPoolExpectations, type PoolExpectations } from '../domain/pool-expectations.ts'
import {
  type ObservedPool,
  type ObservedState,
  observePool,
  type SlotView,
} from '../domain/pool-observation.ts'
import { type PoolPlan, planPool, type StartFailures } from '../domain/pool-plan.ts'
import { isOwnPod, originFault } from '../domain/pool-pod.ts'
import type {
  ClaimLedger,
  DocumentView,
  PodView,
  PodWriter,
  PoolNotice,
  PoolNotices,
} from '../domain/ports.ts'
import { templateHash } from '../domain/slot-pod.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import type { AgentRemovals } from './agent-removals.ts'
import { allDone } from './all-done.ts'
import type { IndexSync } from './index-sync.ts'
import type { PodDeaths } from './pod-deaths.ts'
import type { PoolPods } from './pool-pods.ts'
import type { RecentWrites } from './recent-writes.ts'

interface PoolReconcilerDeps {
  readonly pools: DocumentView<PoolsDocument>
  readonly pods: PodView
  readonly ledger: ClaimLedger
  readonly poolPods: PoolPods
  readonly writer: PodWriter
  readonly indexSync: IndexSync
  readonly recentWrites: RecentWrites
  readonly notices: PoolNotices
  readonly podDeaths: PodDeaths
  readonly agentRemovals: AgentRemovals
  /** A node that was silent for this long has lost its pods. */
  readonly nodeLostMs: number
  /** Makes an Event of a refusal of the API server that people should see. */
  readonly report: (agentType: string, reason: string, message: string) => void
  readonly metrics: Metrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

/** What is remembered of a pool between reconciles. Everything else is read anew. */
interface PoolMemory {
  readonly expectations: PoolExpectations
  /** Pods that died before they served. Many at one look are one failure. */
  deaths: StartFailures
  /** Creates that the API server refused. Each batch counts once. */
  refusals: StartFailures
  /** Dead pods already counted. */
  readonly countedDead: Set<string>
  template: string | undefined
  refusal: PodWriteError | undefined
}

/** A pod that was Ready this long after the last failure shows that pods start again. */
const healthyAfterMs = 5_000

const countedStates: readonly ObservedState[] = ['warming', 'ready', 'claimed', 'draining', 'failed']

const none: StartFailures = { count: 0, lastAt: 0 }

/** For a pool that was removed: idle pods drain, claimed ones stay. */
const unwanted = { min: 0, cold: 0, max: 0, inFlight: 1, frozen: false }

/** Reconciles one pool, level-triggered: read everything, plan, act. It holds no rule; every number comes from the plan. */
export function createPoolReconciler(deps: PoolReconcilerDeps) {
  const { pools, pods, ledger, poolPods, writer, indexSync, recentWrites, metrics, logger, now } = deps
  const memories = new Map<string, PoolMemory>()

  function memoryOf(agentType: string): PoolMemory {
    const known = memories.get(agentType)
    if (known) return known
    const memory: PoolMemory = {
      expectations: createPoolExpectations(),
      deaths: none,
      refusals: none,
      countedDead: new Set(),
      template: undefined,
      refusal: undefined,
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
      memories.delete(agentType)
      for (const state of countedStates) metrics.poolSlots.remove({ agent_type: agentType, state })
      indexSync.forget(agentType)
      poolPods.forget(agentType)
      return undefined
    }
    const memory = memoryOf(agentType)
    const podUids = seen.map((pod) => pod.uid)
    const [claims, coldWaiting, origins] = await Promise.all([
      ledger.claimsOf(podUids),
      ledger.coldWaiting(agentType),
      poolPods.originsOf(agentType, seen),
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
    memory.expectations.settle(new Set(podUids), now())
    noteFailures(memory, observed, hash)
    const plan = planPool({
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
      failures: memory.deaths.count >= memory.refusals.count ? memory.deaths : memory.refusals,
      now: now(),
    })
    showCounts(agentType, observed)
    await indexSync.sync(agentType, observed.slots)
    forgetRefusal(memory, plan)
    const foreign = foreignIn(observed, memory.expectations.pendingRemovals())
    try {
      await allDone([
        spec && createPods(agentType, spec, plan.create),
        retirePlanned(agentType, [...foreign, ...plan.retire], observed),
        tidy(observed, seen),
      ])
    } finally {
      // The notice is posted even when one of the writes failed.
      await deps.notices.post(agentType, noticeOf(memory, plan))
    }
    return earliest(plan.requeueAfterMs, origins.againMs)
  }

  function noteFailures(memory: PoolMemory, observed: ObservedPool, template: string | undefined): void {
    // A new template may cure both kinds of failure.
    if (memory.template !== template) memory.deaths = memory.refusals = none
    memory.template = template
    // What somebody else made or changed says nothing about the template.
    const dead = observed.slots.filter(
      ({ state, claim, origin, podUid }) =>
        state === 'failed' &&
        !claim &&
        isOwnPod(origin) &&
        !originFault(origin) &&
        !memory.countedDead.has(podUid),
    )
    for (const slot of dead) {
      memory.countedDead.add(slot.podUid)
      logger.warn({ pod: slot.name, reason: slot.deadReason }, 'idle pod died')
    }
    if (dead.length > 0) memory.deaths = { count: memory.deaths.count + 1, lastAt: now() }
    const present = new Set(observed.slots.map((slot) => slot.podUid))
    for (const podUid of memory.countedDead) if (!present.has(podUid)) memory.countedDead.delete(podUid)
    const healthy = observed.slots.some(
      ({ state, readySince = 0 }) =>
        state === 'ready' && readySince > memory.deaths.lastAt && now() - readySince >= healthyAfterMs,
    )
    if (healthy) memory.deaths = none
  }

  async function createPods(agentType: string, spec: PoolSpec, count: number): Promise<void> {
    if (count === 0) return
    const memory = memoryOf(agentType)
    const results = await Promise.all(Array.from({ length: count }, () => createPod(agentType, spec, memory)))
    noteResult(agentType, memory, results)
    await poolPods.note()
  }

  function noteResult(
    agentType: string,
    memory: PoolMemory,
    results: readonly (PodWriteError | undefined)[],
  ): void {
    const refused = results.find((result) => result !== undefined)
    if (!refused) {
      memory.refusals = none
      memory.refusal = undefined
      return
    }
    memory.refusals = { count: memory.refusals.count + 1, lastAt: now() }
    if (memory.refusal?.message !== refused.message) {
      logger.error({ agentType, err: refused }, 'pod could not be created')
      deps.report(agentType, 'PodCreateFailed', refused.message)
    }
    memory.refusal = refused
  }

  async function createPod(
    agentType: string,
    spec: PoolSpec,
    memory: PoolMemory,
  ): Promise<PodWriteError | undefined> {
    const ticket = memory.expectations.createSent(now())
    try {
      const { uid, specDigest } = await writer.create(agentType, spec)
      poolPods.created({ podUid: uid, agentType, templateHash: templateHash(agentType, spec), specDigest })
      memory.expectations.createAnswered(ticket, uid, now())
      metrics.podsCreated.inc({ agent_type: agentType, result: 'created' })
      return undefined
    } catch (error) {
      if (!(error instanceof PodWriteError)) throw error
      metrics.podsCreated.inc({ agent_type: agentType, result: error.reason })
      // Without an answer the pod may exist all the same, so the create stays expected until it shows or expires.
      if (error.answered) memory.expectations.createFailed(ticket)
      else memory.expectations.createUnanswered(ticket, now())
      return error
    }
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

  return {
    reconcile,
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

/** Once a pool lacks nothing and waits for nothing, its last refusal is history. */
function forgetRefusal(memory: PoolMemory, plan: PoolPlan): void {
  if (plan.create > 0 || plan.boundBy !== undefined || memory.expectations.pendingCreates() > 0) return
  memory.refusals = none
  memory.refusal = undefined
}

function noticeOf({ refusal }: PoolMemory, plan: PoolPlan): PoolNotice {
  return { boundBy: refusal?.reason === 'quota' ? 'quota' : plan.boundBy, message: refusal?.message }
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

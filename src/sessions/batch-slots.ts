import type { PodView } from '../domain/cluster-ports.ts'
import type { SlotIndex, WakeBus } from '../domain/index-ports.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import { pause } from '../timing/pause.ts'
import { traced } from '../tracing/spans.ts'
import type { AwaitFitness } from './await-fitness.ts'
import type { EmptyPoolError } from './empty-pool.ts'
import type { Opening } from './opening.ts'
import { countsNow, type PoolWaiters } from './pool-waiters.ts'
import type { ProjectGate } from './project-gate.ts'
import type { RefillRate } from './refill-rate.ts'
import type { SlotCandidates } from './slot-candidates.ts'
import type { ServablePod } from './slot-fitness.ts'
import type { TakenSlot } from './slot-taker.ts'

/** A batch that waits looks this often whether there are enough slots now. */
const lookEveryMs = 100
/** Rounds with unusable slots before a pause: a replica whose view is wrong must not empty the index for all. */
const mostUnusableRounds = 8

/** An open of a batch that has no pod yet. */
export interface Unserved {
  readonly opening: Opening
  /** The last attempt, which is used up. */
  attempt: number
}

interface BatchSlotsDeps {
  readonly index: SlotIndex
  readonly pods: PodView
  readonly candidates: SlotCandidates
  readonly awaitFitness: AwaitFitness
  readonly waiters: Pick<PoolWaiters, 'waiting'>
  readonly refillRate: Pick<RefillRate, 'retryAfterMs'>
  readonly emptyPool: EmptyPoolError
  readonly gate: Pick<ProjectGate, 'takePlace'>
  readonly wakes: Pick<WakeBus, 'publish'>
  readonly metrics: Pick<Metrics, 'proposalsRefused'>
  /** Monotonic milliseconds. */
  readonly now: () => number
}

type Round =
  | { readonly kind: 'taken' }
  /** A slot cannot be used; the others stay reserved. */
  | { readonly kind: 'again' }
  /** Nothing is reserved. */
  | { readonly kind: 'empty'; readonly agentType: string }

/**
 * Finds a pod for each of several opens, or for none of them. While there are not enough it holds nothing and stands in no
 * queue: it looks again from time to time, and takes only what nobody waits for. So opens of one session never wait behind
 * a batch, and two batches never hold what the other one lacks.
 */
export function createBatchSlots(deps: BatchSlotsDeps) {
  const { index, pods, candidates, awaitFitness, waiters, refillRate, emptyPool, now } = deps

  /** One search for slots: what is reserved for whom so far. */
  function startSearch(unserved: readonly Unserved[]) {
    const held = new Map<Unserved, ServablePod>()
    const pools = Map.groupBy(unserved, ({ opening }) => opening.request.agentType)

    async function tryOnce(): Promise<Round> {
      let isComplete = true
      for (const [agentType, its] of pools) {
        const round = await tryPool(agentType, its)
        if (round === 'empty') {
          await giveBackAll()
          return { kind: 'empty', agentType }
        }
        if (round === 'again') isComplete = false
      }
      return { kind: isComplete ? 'taken' : 'again' }
    }

    async function tryPool(agentType: string, its: readonly Unserved[]): Promise<Round['kind']> {
      const answer = await index.reserveAll({
        agentType,
        sessions: its.map(({ opening: { identity, progress }, attempt }) => ({
          sessionId: identity.id,
          attempt: attempt + 1,
          isArrival: countsNow(progress.arrival),
        })),
      })
      if (answer.kind === 'empty') return 'empty'
      if (answer.kind === 'stale') {
        for (const each of its) each.attempt += 1
        return 'again'
      }
      if (answer.kind === 'unknown') return takeCandidates(agentType, its)
      const fits = await Promise.all(
        its.map((each, place) => holdIfFit(agentType, each, answer.podUids[place] ?? '')),
      )
      if (fits.every(Boolean)) return 'taken'
      // A replica that does not see pods leaves the slots to others.
      return pods.synced() ? 'again' : 'empty'
    }

    function takeCandidates(agentType: string, its: readonly Unserved[]): 'taken' | 'empty' {
      if (waiters.waiting(agentType) > 0) return 'empty'
      for (const each of its) {
        const pod = held.get(each) ?? candidates.take(agentType, each.opening.progress.tried)
        if (!pod) return 'empty'
        held.set(each, pod)
      }
      return 'taken'
    }

    async function holdIfFit(agentType: string, each: Unserved, podUid: string): Promise<boolean> {
      const { identity, progress } = each.opening
      const seen = await awaitFitness(agentType, podUid)
      if ('pod' in seen && !progress.tried.has(podUid)) {
        held.set(each, seen.pod)
        return true
      }
      if (!pods.synced()) {
        await index.giveBack(agentType, identity.id, podUid)
        return false
      }
      const cause = 'unfit' in seen ? seen.unfit : 'tried-before'
      deps.metrics.proposalsRefused.inc({ agent_type: agentType, cause })
      // The reservation goes too: its lapse would bring the slot back.
      void index.settle(agentType, identity.id, podUid)
      await index.drop(agentType, [podUid])
      each.attempt += 1
      return false
    }

    async function giveBackAll(): Promise<void> {
      const given = [...held].map(([{ opening }, { uid }]) => {
        candidates.release(uid, false)
        return index.giveBack(opening.request.agentType, opening.identity.id, uid)
      })
      held.clear()
      await Promise.all(given)
    }

    return { tryOnce, giveBackAll, podOf: (each: Unserved) => held.get(each) }
  }

  /** Once for each open: the controller may want more pods, and learns of it now. */
  function tellMiss(unserved: readonly Unserved[]): void {
    const missed = unserved.filter(({ opening }) => !opening.progress.arrival.isMissed)
    for (const { opening } of missed) opening.progress.arrival.isMissed = true
    const agentTypes = new Set(missed.map(({ opening }) => opening.request.agentType))
    for (const agentType of agentTypes) deps.wakes.publish({ kind: 'missed', agentType })
  }

  async function refusal(agentType: string, unserved: readonly Unserved[]): Promise<GreenroomError> {
    const signal = unserved[0]?.opening.context.signal
    if (signal?.aborted && signal.reason instanceof GreenroomError) return signal.reason
    const wanted = unserved.filter(({ opening }) => opening.request.agentType === agentType).length
    const waiting = (await index.waiting(agentType)) ?? 0
    return emptyPool({
      agentType,
      sentence: `${wanted} pods of ${agentType} were not free at once in time.`,
      retryAfterMs: refillRate.retryAfterMs(agentType, waiting + wanted),
    })
  }

  /** Each waiting open has a place of its project. */
  async function takePlaces(unserved: readonly Unserved[], forMs: number): Promise<() => void> {
    const leaves: (() => void)[] = []
    const leaveAll = () => {
      for (const leave of leaves) leave()
    }
    try {
      for (const { opening } of unserved) leaves.push(await deps.gate.takePlace(opening, forMs))
    } catch (error) {
      leaveAll()
      throw error
    }
    return leaveAll
  }

  /** Resolves in the order of the opens; throws GRN_POOL_EMPTY when there are not enough in time, or the caller has gone. */
  return async function takeSlots(unserved: readonly Unserved[]): Promise<readonly TakenSlot[]> {
    const openings = unserved.map(({ opening }) => opening)
    // A batch waits as long as each of its opens would.
    const mayWait = openings.every(({ onEmpty }) => onEmpty !== 'fail')
    const waitUntil = Math.min(...openings.map(({ progress }) => progress.waitUntil))
    const signal = openings[0]?.context.signal ?? new AbortController().signal
    const search = startSearch(unserved)
    let unusable = 0
    let waitedMs = 0
    let leavePlaces: (() => void) | undefined
    try {
      for (;;) {
        const round = await search.tryOnce()
        if (round.kind === 'taken') {
          return unserved.flatMap((each): TakenSlot[] => {
            const pod = search.podOf(each)
            return pod ? [{ pod, attempt: each.attempt + 1, waited: waitedMs > 0, waitedMs }] : []
          })
        }
        if (round.kind === 'again') {
          unusable += 1
          if (unusable % mostUnusableRounds !== 0) continue
        }
        const agentType = round.kind === 'empty' ? round.agentType : (openings[0]?.request.agentType ?? '')
        if (round.kind === 'empty') tellMiss(unserved)
        const remaining = waitUntil - now()
        if (!mayWait || remaining <= 0 || signal.aborted) throw await refusal(agentType, unserved)
        leavePlaces ??= await takePlaces(unserved, remaining)
        const begun = now()
        await search.giveBackAll()
        await traced('wait', () => pause(Math.min(remaining, lookEveryMs), signal))
        waitedMs += now() - begun
      }
    } catch (error) {
      await search.giveBackAll()
      throw error
    } finally {
      leavePlaces?.()
    }
  }
}

export type TakeSlots = ReturnType<typeof createBatchSlots>

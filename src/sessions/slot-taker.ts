import type { PodView } from '../domain/cluster-ports.ts'
import type { SlotIndex, WakeBus } from '../domain/index-ports.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import { traced } from '../tracing/spans.ts'
import type { AwaitFitness } from './await-fitness.ts'
import type { EmptyPoolError } from './empty-pool.ts'
import {
  type Arrival,
  countsNow,
  type PoolWaiters,
  type QueuePlace,
  type WaitTicket,
} from './pool-waiters.ts'
import type { RefillRate } from './refill-rate.ts'
import type { SlotCandidates } from './slot-candidates.ts'
import type { ServablePod } from './slot-fitness.ts'

/** Unusable slots in a row before a pause: a replica whose view is wrong must not empty the index for all. */
const mostUnusableSlots = 8

export interface SlotRequest {
  readonly agentType: string
  readonly sessionId: string
  /** Whether to wait when there is none. */
  readonly wait: boolean
  /** When waiting ends, on the clock of `now`. */
  readonly waitUntil: number
  readonly headStartMs: number
  readonly queuePlace: QueuePlace
  readonly arrival: Arrival
  /** Aborted when the caller has gone. A GreenroomError as its reason is thrown to the caller. */
  readonly signal: AbortSignal
  /** Asked before it waits for at most `forMs`; throws when its project may not. Resolves with what gives the place back. */
  readonly takePlace: (forMs: number) => Promise<() => void>
}

export interface TakenSlot {
  readonly pod: ServablePod
  /** The number of this attempt; it becomes the fencing epoch. */
  readonly attempt: number
  /** Whether the caller had to wait for it. */
  readonly waited: boolean
  readonly waitedMs: number
}

interface SlotTakerDeps {
  readonly index: SlotIndex
  readonly pods: PodView
  readonly candidates: SlotCandidates
  readonly awaitFitness: AwaitFitness
  readonly waiters: PoolWaiters
  readonly refillRate: Pick<RefillRate, 'retryAfterMs'>
  readonly metrics: Pick<Metrics, 'proposalsRefused'>
  readonly emptyPool: EmptyPoolError
  readonly wakes: Pick<WakeBus, 'publish'>
  readonly now: () => number
}

type Try = { readonly pod: ServablePod } | 'empty' | 'again'

/** Finds the next pod to try: from the index, or from the informer without it. While there is none, the open waits its turn. */
export function createSlotTaker(deps: SlotTakerDeps) {
  const { index, pods, candidates, awaitFitness, waiters, refillRate, emptyPool, now } = deps

  async function tryOnce(request: SlotRequest, attempt: number, tried: Set<string>): Promise<Try> {
    const { agentType, sessionId } = request
    const isArrival = countsNow(request.arrival)
    const answer = await index.reserve({ agentType, sessionId, attempt, isArrival })
    if (answer.kind === 'stale') return 'again'
    if (answer.kind === 'empty') return 'empty'
    if (answer.kind === 'unknown') {
      const pod = candidates.take(agentType, tried)
      return pod ? { pod } : 'empty'
    }
    const seen = await awaitFitness(agentType, answer.podUid)
    if ('pod' in seen && !tried.has(seen.pod.uid)) return seen
    if ('unfit' in seen && !pods.synced()) {
      // This replica does not see pods; the slot may be good for others.
      await index.giveBack(agentType, sessionId, answer.podUid)
      return 'empty'
    }
    deps.metrics.proposalsRefused.inc({
      agent_type: agentType,
      cause: 'unfit' in seen ? seen.unfit : 'tried-before',
    })
    // The reservation goes too: its lapse would bring the slot back. If this replica is wrong, the controller puts the
    // slot back.
    void index.settle(agentType, sessionId, answer.podUid)
    await index.drop(agentType, [answer.podUid])
    return 'again'
  }

  /**
   * Takes a slot for the first attempt after `lastAttempt`; `tried` holds pods that this open has used up.
   * Throws GRN_POOL_EMPTY when there is none in time or the caller has gone; throws the abort's reason if it is an error.
   */
  return async function takeSlot(
    request: SlotRequest,
    lastAttempt: number,
    tried: Set<string>,
  ): Promise<TakenSlot> {
    let attempt = lastAttempt + 1
    let unusable = 0
    let waitedMs = 0
    let ticket: WaitTicket | undefined
    let leavePlace = () => {}
    try {
      for (;;) {
        if (ticket && request.signal.aborted) throw await refusal(request)
        const myTurn = ticket ? ticket.isHead() : waiters.waiting(request.agentType) === 0
        const outcome = myTurn ? await tryOnce(request, attempt, tried) : 'empty'
        if (typeof outcome === 'object')
          return { pod: outcome.pod, attempt, waited: ticket !== undefined, waitedMs }
        if (outcome === 'again') {
          attempt += 1
          unusable += 1
          await ticket?.resume()
          if (unusable < mostUnusableSlots) continue
          unusable = 0
        }
        if (outcome === 'empty') tellMiss(request)
        const remaining = request.waitUntil - now()
        if (!request.wait || remaining <= 0 || request.signal.aborted) throw await refusal(request)
        const begun = now()
        // After joining it looks once more: a slot may have come before it was in the queue.
        if (ticket) {
          const held = ticket
          await traced('wait', () => held.next(request.signal, remaining))
        } else {
          leavePlace = await request.takePlace(remaining)
          ticket = await waiters.join(request)
        }
        waitedMs += now() - begun
      }
    } finally {
      ticket?.leave()
      leavePlace()
    }
  }

  /** Once for each open: the controller may want more pods, and learns of it now. */
  function tellMiss({ agentType, arrival }: SlotRequest): void {
    if (arrival.isMissed) return
    arrival.isMissed = true
    deps.wakes.publish({ kind: 'missed', agentType })
  }

  async function refusal({ agentType, signal }: SlotRequest): Promise<GreenroomError> {
    if (signal.aborted && signal.reason instanceof GreenroomError) return signal.reason
    const waiting = (await index.waiting(agentType)) ?? waiters.waiting(agentType)
    return emptyPool({
      agentType,
      sentence: `No pod of ${agentType} was free in time.`,
      retryAfterMs: refillRate.retryAfterMs(agentType, waiting),
    })
  }
}

export type TakeSlot = ReturnType<typeof createSlotTaker>

import type { AgentPod } from '../domain/agent-pod.ts'
import type { PodView, SlotIndex } from '../domain/ports.ts'
import { GreenroomError } from '../errors.ts'
import { pause } from '../timing/pause.ts'
import type { EmptyPoolError } from './empty-pool.ts'
import type { PoolWaiters, QueuePlace, WaitTicket } from './pool-waiters.ts'
import type { RefillRate } from './refill-rate.ts'
import { isServable, type SlotCandidates } from './slot-candidates.ts'

/** A freshly indexed pod may reach this replica's informer a moment later than the controller's. */
const informerLagMs = 250
const informerLookMs = 5
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
  /** Aborted when the caller has gone. A GreenroomError as its reason is thrown to the caller. */
  readonly signal: AbortSignal
}

export interface TakenSlot {
  readonly pod: AgentPod & { ip: string }
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
  readonly waiters: PoolWaiters
  readonly refillRate: Pick<RefillRate, 'retryAfterMs'>
  readonly emptyPool: EmptyPoolError
  readonly now: () => number
}

type Try = { readonly pod: AgentPod & { ip: string } } | 'empty' | 'again'

/** Finds the next pod to try: from the index, or from the informer without it. While there is none, the open waits its turn. */
export function createSlotTaker(deps: SlotTakerDeps) {
  const { index, pods, candidates, waiters, refillRate, emptyPool, now } = deps

  async function tryOnce(request: SlotRequest, attempt: number, tried: Set<string>): Promise<Try> {
    const { agentType, sessionId } = request
    const answer = await index.reserve({ agentType, sessionId, attempt })
    if (answer.kind === 'stale') return 'again'
    if (answer.kind === 'empty') return 'empty'
    if (answer.kind === 'unknown') {
      const pod = candidates.take(agentType, tried)
      return pod ? { pod } : 'empty'
    }
    const pod = await whenSeen(answer.podUid)
    if (pod && !tried.has(pod.uid)) return { pod }
    if (!pod && !pods.synced()) {
      // This replica does not see pods; the slot may be good for others.
      await index.giveBack(agentType, sessionId, answer.podUid)
      return 'empty'
    }
    // Gone, dying or refused before. If this replica is wrong, the controller puts the slot back.
    await index.drop(agentType, [answer.podUid])
    return 'again'
  }

  async function whenSeen(podUid: string): Promise<(AgentPod & { ip: string }) | undefined> {
    const until = now() + informerLagMs
    for (;;) {
      const pod = pods.get(podUid)
      if (pod && isServable(pod)) return pod
      // A pod that is not Ready here is lag as well: the controller indexed it because it saw it Ready.
      if (pod?.deletingSince !== undefined || pod?.deadReason !== undefined || now() >= until)
        return undefined
      await pause(informerLookMs)
    }
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
        const remaining = request.waitUntil - now()
        if (!request.wait || remaining <= 0 || request.signal.aborted) throw await refusal(request)
        const begun = now()
        // After joining it looks once more: a slot may have come before it was in the queue.
        if (ticket) await ticket.next(request.signal, remaining)
        else ticket = await waiters.join(request)
        waitedMs += now() - begun
      }
    } finally {
      ticket?.leave()
    }
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

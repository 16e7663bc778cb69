import type { SlotIndex } from '../domain/index-ports.ts'
import type { Metrics } from '../metrics.ts'
import { startPause } from '../timing/pause.ts'

/**
 * Opens that wait for a slot: first come, first served over all replicas, with Redis as the common queue and this as
 * the replica's own part of it. Without Redis the order holds within the replica.
 */

/** The head of the queue looks by itself this often: a lost wake-up costs at most this. */
const lookAgainMs = 100
/** How often Redis is told who waits: a quarter of the silence after which it takes a waiter for gone. */
const keepEveryMs = 500

/** Where an open stands in the queue. It keeps its place through its attempts: an unusable slot costs no place. */
export interface QueuePlace {
  place: number | undefined
}

/** An open counts once as demand of its pool, when it first asks for a slot or joins the queue. */
export interface Arrival {
  isCounted: boolean
  /** It found no slot, and the controller was told. */
  isMissed: boolean
}

/** True for the first call with this arrival. */
export function countsNow(arrival: Arrival): boolean {
  const isFirst = !arrival.isCounted
  arrival.isCounted = true
  return isFirst
}

export interface WaitTicket {
  /** Only the head of this replica may try; Redis knows whether others are before it. */
  isHead(): boolean
  /** Resolves when it is worth trying again: on a wake-up, as the new head, after a while, or when the signal fires. */
  next(signal: AbortSignal, atMostMs: number): Promise<void>
  /** Takes its place again after a reservation that came to nothing. */
  resume(): Promise<void>
  leave(): void
}

interface JoinRequest {
  readonly agentType: string
  readonly sessionId: string
  /** See WaitingOpen. */
  readonly headStartMs: number
  readonly queuePlace: QueuePlace
  readonly arrival: Arrival
}

interface Waiter extends JoinRequest {
  /** Ends the pause that it is in. */
  wake: () => void
  left: boolean
}

interface PoolWaitersDeps {
  readonly index: Pick<SlotIndex, 'keepWaiting' | 'leaveWaiting'>
  readonly metrics: Pick<Metrics, 'poolWaiting'>
  /** Epoch ms: the order within the replica while Redis is away. */
  readonly clock: () => number
}

export function createPoolWaiters({ index, metrics, clock }: PoolWaitersDeps) {
  const queues = new Map<string, Waiter[]>()
  let beating = false

  function insert(waiter: Waiter): void {
    const queue = queues.get(waiter.agentType) ?? []
    queues.set(waiter.agentType, queue)
    const place = placeOf(waiter)
    const before = queue.findIndex((other) => placeOf(other) > place)
    if (before < 0) queue.push(waiter)
    else queue.splice(before, 0, waiter)
    metrics.poolWaiting.set({ agent_type: waiter.agentType }, queue.length)
  }

  function remove(waiter: Waiter): void {
    const queue = queues.get(waiter.agentType)
    const position = queue?.indexOf(waiter) ?? -1
    if (!queue || position < 0) return
    queue.splice(position, 1)
    metrics.poolWaiting.set({ agent_type: waiter.agentType }, queue.length)
    if (queue.length === 0) queues.delete(waiter.agentType)
    else if (position === 0) queue[0]?.wake()
  }

  function placeOf({ queuePlace }: Waiter): number {
    return queuePlace.place ?? Number.POSITIVE_INFINITY
  }

  async function tell(agentType: string, waiters: readonly Waiter[]): Promise<void> {
    const places = await index.keepWaiting(
      agentType,
      waiters.map(({ sessionId, headStartMs, queuePlace: { place }, arrival }) => ({
        sessionId,
        headStartMs,
        place,
        isArrival: countsNow(arrival),
      })),
    )
    for (const [position, waiter] of waiters.entries())
      waiter.queuePlace.place ??= places?.[position] ?? clock() - waiter.headStartMs
  }

  /** Runs while anybody waits. */
  function keepAlive(): void {
    if (beating) return
    beating = true
    const beat = () => {
      if (queues.size === 0) {
        beating = false
        return
      }
      for (const [agentType, queue] of queues) void tell(agentType, [...queue])
      setTimeout(beat, keepEveryMs).unref()
    }
    setTimeout(beat, keepEveryMs).unref()
  }

  return {
    waiting: (agentType: string): number => queues.get(agentType)?.length ?? 0,

    async join(request: JoinRequest): Promise<WaitTicket> {
      const { agentType, sessionId } = request
      const waiter: Waiter = { ...request, wake: () => {}, left: false }
      await tell(agentType, [waiter])
      insert(waiter)
      keepAlive()
      return {
        isHead: () => queues.get(agentType)?.[0] === waiter,
        next: (signal, atMostMs) => nextTurn(waiter, signal, Math.min(atMostMs, lookAgainMs)),
        resume: () => tell(agentType, [waiter]),
        leave() {
          if (waiter.left) return
          waiter.left = true
          remove(waiter)
          // Also after it was served: a beat meanwhile may have told Redis of it once more.
          void index.leaveWaiting(agentType, sessionId)
        },
      }
    },

    /** Slots became free: the head tries; when it has left, the next one is woken by its leaving. */
    wake(agentType: string): void {
      queues.get(agentType)?.[0]?.wake()
    },
  }
}

export type PoolWaiters = ReturnType<typeof createPoolWaiters>

async function nextTurn(waiter: Waiter, signal: AbortSignal, ms: number): Promise<void> {
  const { over, end } = startPause(ms, signal)
  waiter.wake = end
  await over
  waiter.wake = () => {}
}

/** Opens that wait for a slot of one pool in this replica, first come, first served. */

/** The head of the queue looks by itself this often: a wake-up that got lost costs at most this. */
const lookAgainMs = 100

export interface WaitTicket {
  /** Only the head may try: a newcomer never passes a live waiter. */
  isHead(): boolean
  /** Resolves when it is worth trying again: a wake-up, a new head, a while, or the signal. */
  next(signal: AbortSignal, atMostMs: number): Promise<void>
  leave(): void
}

interface Waiter {
  resolve: () => void
}

export function createPoolWaiters() {
  const queues = new Map<string, Waiter[]>()

  function leave(agentType: string, waiter: Waiter): void {
    const queue = queues.get(agentType)
    const position = queue?.indexOf(waiter) ?? -1
    if (!queue || position < 0) return
    queue.splice(position, 1)
    if (queue.length === 0) queues.delete(agentType)
    else if (position === 0) queue[0]?.resolve()
  }

  return {
    waiting: (agentType: string): number => queues.get(agentType)?.length ?? 0,

    join(agentType: string): WaitTicket {
      const waiter: Waiter = { resolve: () => {} }
      const queue = queues.get(agentType) ?? []
      queues.set(agentType, queue)
      queue.push(waiter)
      return {
        isHead: () => queues.get(agentType)?.[0] === waiter,
        next: (signal, atMostMs) => nextTurn(waiter, signal, Math.min(atMostMs, lookAgainMs)),
        leave: () => leave(agentType, waiter),
      }
    },

    /** Slots became free: the head tries; when it has left, the next one is woken by its leaving. */
    wake(agentType: string): void {
      queues.get(agentType)?.[0]?.resolve()
    },
  }
}

export type PoolWaiters = ReturnType<typeof createPoolWaiters>

function nextTurn(waiter: Waiter, signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      waiter.resolve = () => {}
      resolve()
    }
    const timer = setTimeout(done, Math.max(0, ms))
    signal.addEventListener('abort', done, { once: true })
    waiter.resolve = done
    if (signal.aborted) done()
  })
}

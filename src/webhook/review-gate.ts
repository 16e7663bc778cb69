/**
 * Bounds the bodies in memory. Judging is synchronous, so more reviews at once would be no faster; in a storm bodies pile
 * up, read and parsed, until their turn comes. A review that finds the gate full waits, first come, first served, with its
 * body still in the socket; the wait ends with the caller's deadline. The API server fails a pod on any answer but a
 * decision, so waiting is better than a refusal. The gate refuses only when the queue is longer than a cluster makes it.
 */
export interface GateLimits {
  /** All bodies inside together. A body that is larger than this gets in alone. */
  readonly bytes: number
  readonly reviews: number
  readonly waiting: number
}

const defaultGateLimits: GateLimits = {
  // Parsed, an object takes about three times the room of its JSON; two bodies of 7 MiB fit beside many small ones.
  bytes: 16 * 1024 * 1024,
  reviews: 256,
  // Three API servers with 600 writes in flight each, some 50 KB of TLS connection a waiter.
  waiting: 2_000,
}

export type Entry =
  /** It is inside. */
  | 'in'
  /** `onIn` will be called, unless `leave` is called before. */
  | 'waiting'
  | 'full'

export interface Ticket {
  readonly entry: Entry
  /** Ends the stay or the wait. A second call does nothing. */
  leave(): void
}

export interface ReviewGate {
  enter(bytes: number, onIn: () => void): Ticket
  inside(): number
  waiting(): number
}

interface Waiter {
  readonly bytes: number
  readonly onIn: () => void
  state: 'waiting' | 'in' | 'gone'
}

const refused: Ticket = { entry: 'full', leave: () => undefined }

export function createReviewGate(limits: GateLimits = defaultGateLimits): ReviewGate {
  const queue = new Set<Waiter>()
  let bytesInside = 0
  let inside = 0

  const fits = (bytes: number): boolean =>
    inside === 0 || (inside < limits.reviews && bytesInside + bytes <= limits.bytes)

  const admit = (waiter: Waiter): void => {
    waiter.state = 'in'
    inside += 1
    bytesInside += waiter.bytes
  }

  const leave = (waiter: Waiter): void => {
    const { state } = waiter
    waiter.state = 'gone'
    if (state === 'waiting') queue.delete(waiter)
    if (state !== 'in') return
    inside -= 1
    bytesInside -= waiter.bytes
    for (const next of queue) {
      // The first one keeps its place: if small ones passed it, it could wait for ever.
      if (!fits(next.bytes)) break
      queue.delete(next)
      admit(next)
      next.onIn()
    }
  }

  return {
    enter(bytes, onIn) {
      const waiter: Waiter = { bytes, onIn, state: 'waiting' }
      if (queue.size === 0 && fits(bytes)) admit(waiter)
      else if (queue.size < limits.waiting) queue.add(waiter)
      else return refused
      return { entry: waiter.state === 'in' ? 'in' : 'waiting', leave: () => leave(waiter) }
    },
    inside: () => inside,
    waiting: () => queue.size,
  }
}

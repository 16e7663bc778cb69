/**
 * Bounds the bodies in memory by what has arrived, never by what a head promises: anybody who reaches the port can promise
 * 7 MiB and send one byte.
 *
 * A body begins small and is read at once. When small bodies together need more room than there is, the one that has been
 * silent longest is given up. The API server has a whole review in memory and sends it in one go, so its bodies are not
 * the silent ones. A body that grows large waits for one of a few places, first come, first served, and holds up nobody
 * who is small. Somebody who holds a place and falls silent loses it to whoever waits.
 */
export interface GateLimits {
  /** A body is small up to here. */
  readonly smallBytes: number
  /** All small bodies together. */
  readonly bytes: number
  /** Places of large bodies. */
  readonly large: number
  /** Large bodies that wait for a place. */
  readonly waiting: number
  /** After this silence a place goes to whoever waits for it. */
  readonly silentMs: number
}

export const defaultGateLimits: GateLimits = {
  // Pods have 2 to 20 KB. What is larger are documents and pods with large annotations.
  smallBytes: 256 * 1024,
  // 400 pods of 20 KB at once, all of them half read.
  bytes: 8 * 1024 * 1024,
  // 7 MiB each. Judging is synchronous, so more at once would be no faster.
  large: 2,
  // Each holds what it had when it became large: together 16 MiB.
  waiting: 64,
  // A sender that has its body in memory leaves no such gap, even over a slow network.
  silentMs: 250,
}

export type Entry =
  /** Read on. */
  | 'in'
  /** Stop reading until `onIn` is called. */
  | 'waiting'
  | 'full'

export interface BodyPlace {
  /** Notes that this much more has arrived. */
  take(bytes: number): Entry
  /** All of it has arrived: it cannot be silent any more. */
  complete(): void
  /** Ends the stay or the wait. A second call does nothing. */
  leave(): void
}

interface BodyEvents {
  onIn(): void
  /** It must make room; its place is gone already. */
  onGivenUp(): void
}

export interface ReviewGate {
  enter(events: BodyEvents): BodyPlace
  /** Gives places of silent bodies to those that wait; called now and then while somebody waits. */
  look(): void
  inside(): number
  waiting(): number
}

interface Body extends BodyEvents {
  state: 'small' | 'waiting' | 'large' | 'gone'
  bytes: number
  heardMs: number
}

export function createReviewGate(
  limits: GateLimits = defaultGateLimits,
  nowMs: () => number = () => performance.now(),
): ReviewGate {
  // Those that are still being read, the one that has been silent longest first.
  const reading = { small: new Set<Body>(), large: new Set<Body>() }
  const queue = new Set<Body>()
  let smallBytes = 0
  let inside = 0
  let large = 0

  const remove = (body: Body): void => {
    const { state } = body
    if (state === 'gone') return
    body.state = 'gone'
    if (state === 'waiting') {
      queue.delete(body)
      return
    }
    inside -= 1
    reading[state].delete(body)
    if (state === 'small') smallBytes -= body.bytes
    else large -= 1
  }

  const fillPlaces = (): void => {
    for (const next of queue) {
      if (large >= limits.large) return
      queue.delete(next)
      becomeLarge(next)
      next.onIn()
    }
  }

  const becomeLarge = (body: Body): void => {
    body.state = 'large'
    body.heardMs = nowMs()
    inside += 1
    large += 1
    reading.large.add(body)
  }

  const giveUp = (body: Body): void => {
    remove(body)
    body.onGivenUp()
  }

  const look = (): void => {
    const silentSinceMs = nowMs() - limits.silentMs
    for (const body of reading.large) {
      if (large < limits.large || body.heardMs > silentSinceMs) break
      giveUp(body)
    }
    fillPlaces()
  }

  const takeSmall = (body: Body, bytes: number): Entry => {
    for (const silent of reading.small) {
      if (smallBytes + bytes <= limits.bytes) break
      if (silent !== body) giveUp(silent)
    }
    // The last one gets in, whatever its size.
    if (smallBytes + bytes > limits.bytes && smallBytes > body.bytes) return 'full'
    smallBytes += bytes
    body.bytes += bytes
    return 'in'
  }

  const askForPlace = (body: Body): Entry => {
    smallBytes -= body.bytes
    inside -= 1
    reading.small.delete(body)
    body.state = 'gone'
    if (queue.size === 0 && large >= limits.large) look()
    if (queue.size === 0 && large < limits.large) {
      becomeLarge(body)
      return 'in'
    }
    if (queue.size >= limits.waiting) return 'full'
    body.state = 'waiting'
    queue.add(body)
    return 'waiting'
  }

  return {
    enter(events) {
      const body: Body = { ...events, state: 'small', bytes: 0, heardMs: nowMs() }
      inside += 1
      reading.small.add(body)
      return {
        take(bytes) {
          if (body.state === 'gone') return 'full'
          if (body.state === 'small' && body.bytes + bytes > limits.smallBytes) return askForPlace(body)
          body.heardMs = nowMs()
          if (body.state === 'large' || body.state === 'small') {
            // To the end of the set: it is the one that was heard last.
            reading[body.state].delete(body)
            reading[body.state].add(body)
          }
          return body.state === 'small' ? takeSmall(body, bytes) : 'in'
        },
        complete() {
          if (body.state === 'small' || body.state === 'large') reading[body.state].delete(body)
        },
        leave() {
          remove(body)
          fillPlaces()
        },
      }
    },
    look,
    inside: () => inside,
    waiting: () => queue.size,
  }
}

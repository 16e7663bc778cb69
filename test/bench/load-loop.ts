import { setTimeout } from 'node:timers/promises'

/** Sends request number `index` and resolves with whether the answer was the one wanted. Never rejects. */
export type Send = (index: number) => Promise<boolean>

export interface Measured {
  /** Of the answers wanted, microseconds, in the order in which they came. */
  readonly latenciesUs: readonly number[]
  readonly errors: number
  /** From the first measured request to the last answer. */
  readonly durationMs: number
}

export type LoadLoop =
  | { readonly kind: 'closed'; readonly concurrency: number; readonly pauseMs?: number }
  | { readonly kind: 'open'; readonly perSecond: number }

/** One of the loops below. */
export function runLoop(
  loop: LoadLoop,
  { count, warmUp }: Pick<ClosedLoop, 'count' | 'warmUp'>,
  send: Send,
): Promise<Measured> {
  return loop.kind === 'closed'
    ? runClosedLoop({ ...loop, count, warmUp }, send)
    : runOpenLoop({ ...loop, count, warmUp }, send)
}

interface Clock {
  /** Monotonic milliseconds. */
  now(): number
  /** Resolves at `time` or as soon after it as the timers of this process allow. */
  until(time: number): Promise<void>
}

const realClock: Clock = {
  now: () => performance.now(),
  async until(time) {
    const restMs = time - performance.now()
    if (restMs > 0) await setTimeout(restMs)
  },
}

interface ClosedLoop {
  readonly concurrency: number
  /** Requests in all, the unmeasured ones of the warm-up included. */
  readonly count: number
  readonly warmUp: number
  /** What each caller waits after an answer; none unless given. */
  readonly pauseMs?: number
  readonly clock?: Clock
}

/** So many callers, each of whom sends its next request when it has the answer to the last one. */
export async function runClosedLoop(loop: ClosedLoop, send: Send): Promise<Measured> {
  const { concurrency, count, warmUp, pauseMs = 0, clock = realClock } = loop
  const notes = createNotes(clock)
  let next = 0

  async function caller(): Promise<void> {
    while (next < count) {
      const index = next++
      const begun = clock.now()
      if (index === warmUp) notes.begin(begun)
      const fine = await send(index)
      if (index >= warmUp) notes.note(begun, fine)
      if (pauseMs > 0) await clock.until(clock.now() + pauseMs)
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, caller))
  return notes.measured()
}

interface OpenLoop {
  readonly perSecond: number
  readonly count: number
  readonly warmUp: number
  readonly clock?: Clock
}

/**
 * Sends at a steady rate, however long the answers take. Latency counts from the time at which a request was due: one
 * that a slow server, or a late timer of ours, kept from being sent has waited all the same (no coordinated omission).
 */
export async function runOpenLoop(loop: OpenLoop, send: Send): Promise<Measured> {
  const { perSecond, count, warmUp, clock = realClock } = loop
  const notes = createNotes(clock)
  const begun = clock.now()
  const dueAt = (index: number) => begun + (index * 1_000) / perSecond
  const underWay = new Set<Promise<void>>()
  for (let index = 0; index < count; index += 1) {
    const due = dueAt(index)
    if (clock.now() < due) await clock.until(due)
    if (index === warmUp) notes.begin(due)
    const sent = send(index).then((fine) => {
      underWay.delete(sent)
      if (index >= warmUp) notes.note(due, fine)
    })
    underWay.add(sent)
  }
  await Promise.all(underWay)
  return notes.measured()
}

function createNotes(clock: Clock) {
  const latenciesUs: number[] = []
  let errors = 0
  let begun: number | undefined
  let ended = 0
  return {
    begin(time: number): void {
      begun ??= time
    },
    note(since: number, fine: boolean): void {
      ended = clock.now()
      if (fine) latenciesUs.push((ended - since) * 1_000)
      else errors += 1
    },
    measured: (): Measured => ({ latenciesUs, errors, durationMs: begun === undefined ? 0 : ended - begun }),
  }
}

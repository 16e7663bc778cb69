import type { SizingInput } from '../../domain/sizing/sizing-input.ts'
import { TimeHeap } from './time-heap.ts'

/** Says how many idle pods to keep. `now` of the input is in epoch milliseconds. */
export type Sizer = (input: SizingInput) => number

export interface SimulatedLoad {
  /** Seconds after `epochMs`, ascending. */
  readonly claimTimes: Float64Array
  /** Time zero. */
  readonly epochMs: number
  /** Draws how long the next pod takes from creation to Ready. */
  readonly nextStartSeconds: () => number
  /** Draws how long the next session lasts; without it sessions end at once and `claimed` is 0. */
  readonly nextSessionSeconds?: () => number
  /** Nothing before it is counted, in seconds: the rules learn until then. */
  readonly countedFrom?: number
  readonly limits?: {
    /** Idle and claimed pods together. */
    readonly max?: number
    /** Pods that can start at once; further ones queue. */
    readonly startSlots?: number
    readonly createsPerSecond?: number
  }
}

export interface SimulationResult {
  readonly claims: number
  readonly misses: number
  /** Waits of the misses in seconds, ascending. All other claims waited 0 s. */
  readonly waits: Float64Array
  readonly idlePodSeconds: number
  readonly startingPodSeconds: number
  readonly countedSeconds: number
  readonly created: number
  readonly retired: number
  readonly largestTarget: number
}

/** What a plot of a day needs. */
export interface SimulationSample {
  readonly seconds: number
  readonly target: number
  readonly ready: number
  readonly starting: number
  readonly waiting: number
}

/** The product decides on events and on a resync; claims and pods that became Ready are events, this is the rest. */
const resyncSeconds = 10
/** The pool is there before its first claim. */
const leadInSeconds = 600

/**
 * Plays one pool: a claim takes a ready pod or waits for the next one to become Ready, first come first served; the rule
 * decides at each claim and every 10 s; missing pods are created at once and idle ones beyond the target retired.
 */
export function simulatePool(
  load: SimulatedLoad,
  sizer: Sizer,
  onSample?: (sample: SimulationSample) => void,
): SimulationResult {
  const pool = new SimulatedPool(load, sizer, onSample)
  const { claimTimes } = load
  for (let index = 0; index < claimTimes.length; index += 1) {
    const time = claimTimes[index] as number
    pool.advanceTo(time)
    pool.claim()
  }
  return pool.finish()
}

class SimulatedPool {
  readonly #load: SimulatedLoad
  readonly #sizer: Sizer
  readonly #onSample: ((sample: SimulationSample) => void) | undefined
  readonly #readyTimes = new TimeHeap()
  readonly #sessionEnds = new TimeHeap()
  /** When each start slot is free again; only if slots are limited. */
  readonly #slots = new TimeHeap()
  readonly #createdAt = new Map<number, number>()
  readonly #countedFrom: number
  #now = -leadInSeconds
  #nextTick = -leadInSeconds
  #nextCreateAt = -leadInSeconds
  #ready = 0
  #target = 0
  #arrivals = 0
  #missesSince = 0
  #starts: number[] = []
  #waiters: number[] = []
  #firstWaiter = 0
  #claims = 0
  #misses = 0
  #waits: number[] = []
  #idlePodSeconds = 0
  #startingPodSeconds = 0
  #created = 0
  #retired = 0
  #largestTarget = 0

  constructor(load: SimulatedLoad, sizer: Sizer, onSample: ((sample: SimulationSample) => void) | undefined) {
    this.#load = load
    this.#sizer = sizer
    this.#onSample = onSample
    this.#countedFrom = load.countedFrom ?? 0
    for (let slot = 0; slot < (load.limits?.startSlots ?? 0); slot += 1) this.#slots.push(-leadInSeconds)
  }

  advanceTo(time: number): void {
    for (;;) {
      const next = Math.min(this.#readyTimes.earliest, this.#sessionEnds.earliest, this.#nextTick)
      if (next > time) break
      this.#pass(next)
      if (next === this.#readyTimes.earliest) this.#becomeReady()
      else if (next === this.#sessionEnds.earliest) this.#sessionEnds.pop()
      else {
        this.#nextTick += resyncSeconds
        this.#decide()
      }
    }
    this.#pass(time)
  }

  claim(): void {
    this.#arrivals += 1
    const isCounted = this.#now >= this.#countedFrom
    if (isCounted) this.#claims += 1
    if (this.#ready > 0) {
      this.#ready -= 1
      this.#startSession()
    } else {
      this.#missesSince += 1
      if (isCounted) this.#misses += 1
      this.#waiters.push(this.#now)
    }
    this.#decide()
  }

  /** The claims that still wait get their pods; the resync goes on no further. */
  finish(): SimulationResult {
    this.#nextTick = Number.POSITIVE_INFINITY
    const end = this.#now
    while (this.#waiting > 0 && this.#readyTimes.size > 0) {
      this.#now = this.#readyTimes.earliest
      this.#becomeReady()
    }
    return {
      claims: this.#claims,
      misses: this.#misses,
      waits: Float64Array.from(this.#waits).sort(),
      idlePodSeconds: this.#idlePodSeconds,
      startingPodSeconds: this.#startingPodSeconds,
      countedSeconds: Math.max(0, end - this.#countedFrom),
      created: this.#created,
      retired: this.#retired,
      largestTarget: this.#largestTarget,
    }
  }

  get #waiting(): number {
    return this.#waiters.length - this.#firstWaiter
  }

  #pass(time: number): void {
    const from = Math.max(this.#now, this.#countedFrom)
    if (time > from) {
      this.#idlePodSeconds += this.#ready * (time - from)
      this.#startingPodSeconds += this.#readyTimes.size * (time - from)
    }
    this.#now = time
  }

  #becomeReady(): void {
    const readyAt = this.#readyTimes.pop()
    const createdAt = this.#createdAt.get(readyAt)
    if (createdAt !== undefined) {
      this.#createdAt.delete(readyAt)
      this.#starts.push(readyAt - createdAt)
    }
    if (this.#waiting === 0) {
      this.#ready += 1
      return
    }
    const since = this.#waiters[this.#firstWaiter] as number
    this.#firstWaiter += 1
    if (this.#firstWaiter > 1_000 && this.#firstWaiter * 2 > this.#waiters.length) {
      this.#waiters = this.#waiters.slice(this.#firstWaiter)
      this.#firstWaiter = 0
    }
    if (since >= this.#countedFrom) this.#waits.push(this.#now - since)
    this.#startSession()
  }

  #startSession(): void {
    const seconds = this.#load.nextSessionSeconds?.()
    if (seconds !== undefined) this.#sessionEnds.push(this.#now + seconds)
  }

  #decide(): void {
    const target = this.#sizer({
      now: this.#load.epochMs + this.#now * 1_000,
      arrivals: this.#arrivals,
      misses: this.#missesSince,
      starts: this.#starts,
      failing: false,
      oldestStartSeconds: 0,
      claimed: this.#sessionEnds.size,
      ready: this.#ready,
      starting: this.#readyTimes.size,
      waiting: this.#waiting,
    })
    this.#arrivals = 0
    this.#missesSince = 0
    if (this.#starts.length > 0) this.#starts = []
    this.#target = target
    if (this.#now >= this.#countedFrom) this.#largestTarget = Math.max(this.#largestTarget, target)
    this.#apply()
    this.#onSample?.({
      seconds: this.#now,
      target,
      ready: this.#ready,
      starting: this.#readyTimes.size,
      waiting: this.#waiting,
    })
  }

  #apply(): void {
    const { limits } = this.#load
    const position = this.#ready + this.#readyTimes.size - this.#waiting
    const excess = Math.min(this.#ready, position - this.#target)
    if (excess > 0) {
      this.#ready -= excess
      this.#retired += excess
    }
    const room = (limits?.max ?? Number.POSITIVE_INFINITY) - this.#ready - this.#readyTimes.size
    const missing = Math.min(this.#target - position, room - this.#sessionEnds.size)
    for (let pod = 0; pod < missing; pod += 1) this.#create()
  }

  #create(): void {
    const seconds = this.#load.nextStartSeconds()
    let begins = this.#now
    const perSecond = this.#load.limits?.createsPerSecond
    if (perSecond !== undefined) {
      begins = Math.max(begins, this.#nextCreateAt)
      this.#nextCreateAt = begins + 1 / perSecond
    }
    if (this.#slots.size > 0) {
      begins = Math.max(begins, this.#slots.pop())
      this.#slots.push(begins + seconds)
    }
    const readyAt = begins + seconds
    this.#readyTimes.push(readyAt)
    this.#createdAt.set(readyAt, this.#now)
    this.#created += 1
  }
}

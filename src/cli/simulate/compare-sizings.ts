import { stepSizing } from '../../domain/sizing/next-target.ts'
import type { SizingBounds } from '../../domain/sizing/sizing-input.ts'
import { emptySizingState } from '../../domain/sizing/sizing-state.ts'
import { hindsightBest, missesOfFixedSizes } from './hindsight-size.ts'
import { hitInterval } from './hit-interval.ts'
import { createSeededDraws } from './seeded-draws.ts'
import {
  type SimulatedLoad,
  type SimulationResult,
  type SimulationSample,
  simulatePool,
} from './simulate-pool.ts'
import type { NamedSizing } from './sizing-argument.ts'
import type { StartTimes } from './start-times.ts'

/** The claims and the world in which every sizing is tried, with the same random numbers for each. */
export interface ComparedLoad {
  readonly claimTimes: Float64Array
  readonly epochMs: number
  readonly starts: StartTimes
  readonly meanSessionSeconds: number
  readonly seed: number
  readonly countedFrom: number
  readonly bounds: SizingBounds
  readonly limits: NonNullable<SimulatedLoad['limits']>
  /** Of one pod for one hour. */
  readonly price: number
}

export interface SizingOutcome {
  readonly name: string
  readonly claims: number
  readonly misses: number
  readonly hitRate: number
  readonly interval: readonly [number, number]
  /** Of the claims that waited, in seconds. */
  readonly waitP50: number
  readonly waitP99: number
  readonly idlePods: number
  readonly idlePodHours: number
  readonly costPerMonth: number
  readonly largestTarget: number
}

/** Days of a month in a bill: 730 h. */
const monthHours = 730

export function simulatedLoad(load: ComparedLoad): SimulatedLoad {
  const sessions = createSeededDraws(load.seed + 2)
  return {
    claimTimes: load.claimTimes,
    epochMs: load.epochMs,
    nextStartSeconds: load.starts(createSeededDraws(load.seed + 1)),
    nextSessionSeconds: () => sessions.exponential() * load.meanSessionSeconds,
    countedFrom: load.countedFrom,
    limits: { max: load.bounds.max, ...load.limits },
  }
}

export function trySizing(
  load: ComparedLoad,
  { name, spec }: NamedSizing,
  onSample?: (sample: SimulationSample) => void,
): SizingOutcome {
  const simulated = simulatedLoad(load)
  const { bounds } = load
  if (spec.fixed !== undefined) {
    const size = Math.max(bounds.min, spec.fixed)
    const fixed = simulatePool(
      simulated,
      (input) => Math.min(size, Math.max(0, bounds.max - input.claimed)),
      onSample,
    )
    return outcomeOf(name, fixed, load.price)
  }
  const state = emptySizingState(load.epochMs)
  const sizer: Parameters<typeof simulatePool>[1] = (input) =>
    stepSizing(state, { spec, bounds, input }).target
  return outcomeOf(name, simulatePool(simulated, sizer, onSample), load.price)
}

/** The count assumes room for every pod and draws start times in another order, so it may be out by a pod or two. */
const mostRetries = 5

/** The smallest fixed size that meets the goal on these claims, which nobody can know beforehand. */
export function bestFixedSize(load: ComparedLoad, goal: number): SizingOutcome {
  const counted = hindsightBest(missesOfFixedSizes(simulatedLoad(load)), goal)
  for (let more = 0; ; more += 1) {
    const fixed = counted + more
    const name = `fixed:${fixed} (best in hindsight)`
    const outcome = trySizing(load, { name, spec: { mode: 'apply', fixed } })
    if (outcome.hitRate >= goal || more === mostRetries) return outcome
  }
}

/** The highest goal of `hitRate` whose idle pods cost no more than `costPerMonth`; undefined if none does. */
export function bestForBudget(
  load: ComparedLoad,
  costPerMonth: number,
  onProgress: (share: number) => void,
): SizingOutcome | undefined {
  // By nines, from 50 % to 99.99 %: ten halvings find the goal to a hundredth of a nine.
  let [low, high] = [0.3, 4]
  let best: SizingOutcome | undefined
  const rounds = 10
  for (let round = 0; round < rounds; round += 1) {
    const nines = round === 0 ? high : (low + high) / 2
    const target = Number((1 - 10 ** -nines).toFixed(5))
    const name = `hitRate:${target} (best for ${costPerMonth} a month)`
    const outcome = trySizing(load, { name, spec: { mode: 'apply', hitRate: { target } } })
    onProgress((round + 1) / rounds)
    if (outcome.costPerMonth > costPerMonth) {
      high = nines
      continue
    }
    if (!best || outcome.hitRate >= best.hitRate) best = outcome
    if (round === 0) break
    low = nines
  }
  return best
}

function outcomeOf(name: string, result: SimulationResult, price: number): SizingOutcome {
  const { claims, misses, waits, idlePodSeconds, countedSeconds, largestTarget } = result
  const idlePods = countedSeconds === 0 ? 0 : idlePodSeconds / countedSeconds
  return {
    name,
    claims,
    misses,
    hitRate: claims === 0 ? 1 : 1 - misses / claims,
    interval: hitInterval(claims, misses),
    waitP50: quantileOf(waits, 0.5),
    waitP99: quantileOf(waits, 0.99),
    idlePods,
    idlePodHours: idlePodSeconds / 3_600,
    costPerMonth: idlePods * monthHours * price,
    largestTarget,
  }
}

function quantileOf(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

import { hindsightBest, missesOfFixedSizes } from '../../src/cli/simulate/hindsight-size.ts'
import { createSeededDraws } from '../../src/cli/simulate/seeded-draws.ts'
import { type SimulatedLoad, type Sizer, simulatePool } from '../../src/cli/simulate/simulate-pool.ts'
import { stepSizing } from '../../src/domain/sizing/next-target.ts'
import { emptySizingState } from '../../src/domain/sizing/sizing-state.ts'
import type { RivalRule } from './rival-rules.ts'
import type { SizingLoad } from './sizing-loads.ts'

export interface Trial {
  readonly claims: number
  readonly hitRate: number
  readonly idlePods: number
}

export interface OwnTrial extends Trial {
  readonly decisions: number
  readonly microsecondsPerDecision: number
}

/** A Monday. */
const epochMs = Date.UTC(2026, 0, 5)
/** Mean length of a session; Agones' percentage looks at the claimed pods. */
const sessionSeconds = 1_200
/** Of the days, the share that is played and not counted; a trace is counted from the first claim on. */
const warmUpShare = 1 / 3

/** The same claims and the same random numbers for every rule. */
export function loadFactory(load: SizingLoad, seed: number, isTrace: boolean): () => SimulatedLoad {
  const seconds = load.days * 86_400
  const claimTimes = load.claims(createSeededDraws(seed), seconds)
  const slower = load.slower ?? 1
  return () => {
    const starts = createSeededDraws(seed + 77)
    const sessions = createSeededDraws(seed + 78)
    return {
      claimTimes,
      epochMs,
      // Lognormal with a median of 6 s, and 40 s more for one start in a hundred.
      nextStartSeconds: () =>
        slower * (6 * Math.exp(0.5 * starts.normal()) + (starts.uniform() < 0.01 ? 40 : 0)),
      nextSessionSeconds: () => sessions.exponential() * sessionSeconds,
      countedFrom: isTrace ? 0 : seconds * warmUpShare,
    }
  }
}

export function tryRule(load: SimulatedLoad, sizer: Sizer): Trial {
  const { claims, misses, idlePodSeconds, countedSeconds } = simulatePool(load, sizer)
  return { claims, hitRate: 1 - misses / claims, idlePods: idlePodSeconds / countedSeconds }
}

export function tryHitRate(load: SimulatedLoad, target: number): OwnTrial {
  const state = emptySizingState(load.epochMs)
  const spec = { mode: 'apply', hitRate: { target } } as const
  const bounds = { min: 0, max: 100_000 }
  let decisions = 0
  let spentMs = 0
  const trial = tryRule(load, (input) => {
    decisions += 1
    // Reading the clock costs a tenth of a decision: every hundredth is timed.
    if (decisions % 100 !== 0) return stepSizing(state, { spec, bounds, input }).target
    const began = performance.now()
    const terms = stepSizing(state, { spec, bounds, input })
    spentMs += performance.now() - began
    return terms.target
  })
  return { ...trial, decisions, microsecondsPerDecision: (spentMs / Math.max(1, decisions / 100)) * 1_000 }
}

/** The smallest fixed size that meets the goal on these claims. */
export function tryBestFixed(create: () => SimulatedLoad, target: number): Trial & { readonly size: number } {
  let size = hindsightBest(missesOfFixedSizes(create()), target)
  for (let retries = 0; ; retries += 1) {
    const trial = tryRule(create(), () => size)
    if (trial.hitRate >= target || retries === 5) return { ...trial, size }
    size += 1
  }
}

/**
 * The fewest idle pods with which the rule reaches a hit rate, its parameter tuned in hindsight: the first parameter that
 * reaches it is found by halving, and the cost between it and the one before is interpolated, which flatters the rule.
 * Undefined if no parameter reaches it.
 */
export function idleAtHitRate(
  create: () => SimulatedLoad,
  { parameters, create: createSizer }: RivalRule,
  hitRate: number,
): number | undefined {
  const trials: (Trial | undefined)[] = []
  const trialOf = (index: number): Trial =>
    (trials[index] ??= tryRule(create(), createSizer(parameters[index] as number)))
  let low = -1
  let high = parameters.length - 1
  if (trialOf(high).hitRate < hitRate) return undefined
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (trialOf(middle).hitRate >= hitRate) high = middle
    else low = middle
  }
  const enough = trialOf(high)
  if (low === -1) return enough.idlePods
  const below = trialOf(low)
  const share = (hitRate - below.hitRate) / (enough.hitRate - below.hitRate)
  return below.idlePods + share * (enough.idlePods - below.idlePods)
}

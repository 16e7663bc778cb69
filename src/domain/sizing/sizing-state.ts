import { emptyRateMemory, type RateMemory } from './arrival-rate.ts'
import { type DispersionMemory, emptyDispersionMemory } from './dispersion.ts'
import { type ErrorBudget, emptyErrorBudget } from './error-budget.ts'
import { emptyGrowth, type GrowthUnderWay } from './growth-under-way.ts'
import { emptyIdleBudget, type IdleBudget } from './idle-budget.ts'
import { emptyLeadMemory, type LeadMemory } from './lead-times.ts'
import { emptyPastClaims, type PastClaims } from './past-claims.ts'
import { emptyRecentHighest, type RecentHighest } from './recent-highest.ts'
import { emptySeasonMemory, type SeasonMemory } from './season.ts'

/** What the sizing of a pool remembers: plain JSON of bounded size, so that a new leader goes on where the old one stopped. */
export interface SizingState {
  readonly version: 1
  /** Epoch milliseconds of the last input. */
  at: number
  /** Idle pods that the pool was told to keep; with `recommend` that is not the target. */
  target: number
  /** The model's number that it rests on. */
  base: number
  /** Pods that were Ready at the last input. */
  ready: number
  /** The pool was kept smaller than its rule says: its claims say nothing about the rule. */
  isClipped: boolean
  readonly rate: RateMemory
  readonly dispersion: DispersionMemory
  readonly leads: LeadMemory
  readonly season: SeasonMemory
  readonly past: PastClaims
  readonly errors: ErrorBudget
  readonly recent: RecentHighest
  /** Of the target in force. */
  readonly growth: GrowthUnderWay
  /** Of the model's number. */
  readonly modelGrowth: GrowthUnderWay
  readonly idle: IdleBudget
}

export function emptySizingState(now: number): SizingState {
  return {
    version: 1,
    at: now,
    target: 0,
    base: 0,
    ready: 0,
    isClipped: true,
    rate: emptyRateMemory(),
    dispersion: emptyDispersionMemory(now),
    leads: emptyLeadMemory(),
    season: emptySeasonMemory(),
    past: emptyPastClaims(),
    errors: emptyErrorBudget(),
    recent: emptyRecentHighest(),
    growth: emptyGrowth(),
    modelGrowth: emptyGrowth(),
    idle: emptyIdleBudget(),
  }
}

/** A copy that shares nothing with the state: the fold changes the copy. */
export function copySizingState(state: SizingState): SizingState {
  return {
    ...state,
    rate: { fast: { ...state.rate.fast }, slow: { ...state.rate.slow } },
    dispersion: { ...state.dispersion },
    leads: { ...state.leads, bins: state.leads.bins.slice() },
    season: { ...state.season, weekday: state.season.weekday.slice(), weekend: state.season.weekend.slice() },
    past: { ...state.past, scores: state.past.scores.map((bins) => bins.slice()) },
    errors: { ...state.errors },
    recent: { slots: state.recent.slots.map(([at, pods]) => [at, pods]) },
    growth: { steps: state.growth.steps.map(([at, pods]) => [at, pods]) },
    modelGrowth: { steps: state.modelGrowth.steps.map(([at, pods]) => [at, pods]) },
    idle: { ...state.idle },
  }
}

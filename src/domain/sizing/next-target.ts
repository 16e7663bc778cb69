import { noteGrowth } from './growth-under-way.ts'
import { type HitRateWish, hitRateWish } from './hit-rate-wish.ts'
import { idlePodsAllowed } from './idle-budget.ts'
import { isStartingBadly, learn, usualGoal } from './learn.ts'
import type { SizingBounds, SizingInput } from './sizing-input.ts'
import type { SizingSpec } from './sizing-spec.ts'
import { copySizingState, emptySizingState, type SizingState } from './sizing-state.ts'
import type { SizingTerms, TargetBound } from './sizing-terms.ts'

interface Decision {
  readonly spec: SizingSpec
  readonly bounds: SizingBounds
  /** Absent before the first input. */
  readonly state: SizingState | undefined
  readonly input: SizingInput
}

interface NextTarget {
  readonly state: SizingState
  readonly target: number
  readonly terms: SizingTerms
}

/**
 * How many idle pods a pool shall keep from now on, and why. A pure fold: the same inputs give the same targets, to the
 * last bit. Idle pods are those that are Ready or starting, less the sessions that wait.
 */
export function nextTarget({ state, ...decision }: Decision): NextTarget {
  const next = state ? copySizingState(state) : emptySizingState(decision.input.now)
  const terms = stepSizing(next, decision)
  return { state: next, target: terms.target, terms }
}

/** The same in place, for simulations of millions of claims: `state` is changed. */
export function stepSizing(
  state: SizingState,
  { spec, bounds, input }: Omit<Decision, 'state'>,
): SizingTerms {
  learn(state, input, spec)
  const trouble = isStartingBadly(state, input)
  const wish = hitRateWish(state, input.now, spec.hitRate?.target ?? usualGoal)
  const rule = ruleOf(spec)
  const plain = plainWish(spec, input.claimed)
  const schedule = input.scheduled?.pods ?? 0
  const room = Math.max(0, Math.min(bounds.max, bounds.quota ?? bounds.max) - input.claimed)
  const limits = limitsOf(state, spec, wish)
  const bound = bounded({
    wish: plain ?? wish.pods,
    limits,
    schedule,
    bounds,
    room,
    trouble,
    last: state.target,
  })
  const inForce = spec.mode === 'apply' ? bound.target : Math.min(room, Math.max(bounds.min, schedule))
  if (inForce > state.target) noteGrowth(state.growth, input.now, inForce - state.target)
  state.target = inForce
  state.isClipped = spec.mode === 'apply' && bound.isClipped
  return termsOf({ rule, spec, bounds, input, wish, plain, limits, schedule, room, bound })
}

function ruleOf({ fixed, buffer }: SizingSpec): SizingTerms['rule'] {
  if (fixed !== undefined) return 'fixed'
  return buffer ? 'buffer' : 'hitRate'
}

/** The rules that need no history. */
function plainWish({ fixed, buffer }: SizingSpec, claimed: number): number | undefined {
  if (fixed !== undefined) return fixed
  // As Agones' buffer: of all pods, claimed ones included, this share is idle.
  if (buffer?.percent !== undefined) return Math.ceil((claimed * 100) / (100 - buffer.percent)) - claimed
  return buffer?.pods
}

interface Limits {
  readonly maxIdle?: number
  readonly budget?: number
}

function limitsOf(state: SizingState, { hitRate }: SizingSpec, { inFlight }: HitRateWish): Limits {
  const perDay = hitRate?.budget?.idlePodHoursPerDay
  return {
    ...(hitRate?.maxIdle !== undefined && { maxIdle: hitRate.maxIdle }),
    // The budget is of pods that are Ready; of the target, some are always starting.
    ...(perDay !== undefined && { budget: Math.floor(idlePodsAllowed(state.idle, perDay) + inFlight) }),
  }
}

interface Wishes {
  readonly wish: number
  readonly limits: Limits
  readonly schedule: number
  readonly bounds: SizingBounds
  readonly room: number
  readonly trouble: TargetBound | undefined
  readonly last: number
}

interface Bound {
  readonly target: number
  readonly boundBy: TargetBound | undefined
  readonly isClipped: boolean
}

/** The schedule and `min` raise the wish; bad starts stop growth; the budget, `max` and the quota have the last words. */
function bounded({ wish, limits, schedule, bounds, room, trouble, last }: Wishes): Bound {
  let target = wish
  let boundBy: TargetBound | undefined
  const raise = (pods: number, name: TargetBound): void => {
    if (pods > target) [target, boundBy] = [pods, name]
  }
  const cap = (pods: number | undefined, name: TargetBound): void => {
    if (pods !== undefined && pods < target) [target, boundBy] = [pods, name]
  }
  cap(limits.maxIdle, 'maxIdle')
  raise(schedule, 'schedule')
  cap(limits.budget, 'budget')
  raise(bounds.min, 'min')
  if (trouble) cap(Math.max(bounds.min, last), trouble)
  const isQuota = bounds.quota !== undefined && bounds.quota < bounds.max
  cap(room, isQuota ? 'quota' : 'max')
  return { target, boundBy, isClipped: target < wish }
}

interface Parts extends Pick<Decision, 'spec' | 'bounds' | 'input'> {
  readonly rule: SizingTerms['rule']
  readonly wish: HitRateWish
  readonly plain: number | undefined
  readonly limits: Limits
  readonly schedule: number
  readonly room: number
  readonly bound: Bound
}

function termsOf({
  rule,
  spec,
  bounds,
  input,
  wish,
  plain,
  limits,
  schedule,
  room,
  bound,
}: Parts): SizingTerms {
  const { pods: _pods, hold, feedback, ...estimates } = wish
  const ofRule = rule === 'hitRate'
  const boundBy = bound.boundBy ?? (ofRule ? reasonOf(wish) : undefined)
  return {
    rule,
    ...(spec.hitRate && { goal: spec.hitRate.target }),
    ...estimates,
    quantile: plain ?? wish.quantile,
    season: ofRule ? wish.season : 0,
    hold: ofRule ? hold : 0,
    feedback: ofRule ? feedback : 0,
    schedule,
    ...(input.scheduled && { window: input.scheduled.window }),
    ...limits,
    min: bounds.min,
    room,
    ...(boundBy && { boundBy }),
    target: bound.target,
  }
}

function reasonOf({ quantile, season, hold }: HitRateWish): TargetBound | undefined {
  if (hold > quantile && hold > season) return 'hold'
  return season > quantile ? 'season' : undefined
}

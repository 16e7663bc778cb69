import { believedRates } from './arrival-rate.ts'
import { dispersionOf } from './dispersion.ts'
import { podsOfBudget } from './error-budget.ts'
import { noteGrowth } from './growth-under-way.ts'
import { leadP99Seconds, meanLeadSeconds } from './lead-times.ts'
import { countQuantile } from './negative-binomial.ts'
import { cheapestBlend } from './past-claims.ts'
import { highestSince } from './recent-highest.ts'
import { forecastOf } from './season.ts'
import type { SizingState } from './sizing-state.ts'

/** The model's number of so long ago still counts: a fall of the rate is certain only after a while. */
const holdMs = 120_000

export interface HitRateWish {
  readonly claimsPerSecond: number
  readonly dispersion: number
  readonly leadMeanSeconds: number
  readonly leadP99Seconds: number
  readonly inFlight: number
  readonly quantile: number
  readonly season: number
  readonly hold: number
  readonly feedback: number
  readonly pods: number
}

/** As few idle pods as the goal needs. Changes `state`. */
export function hitRateWish(state: SizingState, now: number, goal: number): HitRateWish {
  const lead = meanLeadSeconds(state.leads)
  const p99 = leadP99Seconds(state.leads)
  const dispersion = dispersionOf(state.dispersion)
  const rates = believedRates(state.rate, dispersion)
  let quantile = 0
  let claimsPerSecond = 0
  for (const { perSecond, evidence } of rates) {
    claimsPerSecond = Math.max(claimsPerSecond, perSecond)
    quantile = Math.max(quantile, podsFor(goal, perSecond * lead, dispersion, 1 / evidence))
  }
  const forecast = forecastOf(state.season, now, lead + p99)
  const season = forecast ? podsFor(goal, forecast.perSecond * lead, dispersion, forecast.squaredCv) : 0
  const hold = highestSince(state.recent, now, Math.max(quantile, season), holdMs)
  const { blend, offset } = cheapestBlend(state.past, 1 - goal)
  const calibrated = (1 - blend) * hold + offset
  const pods = Math.max(1, Math.ceil(calibrated - 1e-9) + podsOfBudget(state.errors, calibrated, 1 - goal))
  if (hold > state.base) noteGrowth(state.modelGrowth, now, hold - state.base)
  state.base = hold
  return {
    claimsPerSecond,
    dispersion,
    leadMeanSeconds: lead,
    leadP99Seconds: p99,
    inFlight: claimsPerSecond * lead,
    quantile,
    season,
    hold,
    feedback: pods - hold,
    pods,
  }
}

/**
 * A claim hits when fewer replacements than the target are under way, so the target is their quantile plus one. A claim sees
 * a size-biased world: with bursts, others of its burst are more likely under way than at a random moment.
 */
function podsFor(goal: number, mean: number, dispersion: number, squaredCvOfRate: number): number {
  const burst = (dispersion - 1) / mean
  return countQuantile(goal, mean * (1 + burst), burst / (1 + burst) + squaredCvOfRate) + 1
}

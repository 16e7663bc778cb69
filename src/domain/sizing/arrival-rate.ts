/**
 * How many sessions are asked for in a second: a discounted Gamma-Poisson estimate over two minutes and one over an hour.
 * The short one is believed only when it differs from the long one by more than chance.
 */

interface DiscountedCount {
  claims: number
  seconds: number
}

export interface RateMemory {
  readonly fast: DiscountedCount
  readonly slow: DiscountedCount
}

export interface RateEstimate {
  readonly perSecond: number
  /** Claims that the estimate rests on. */
  readonly evidence: number
}

const fastSeconds = 120
const slowSeconds = 3_600

/** With no claims seen: half a claim in a minute, so that an unknown pool keeps three. */
const priorClaims = 0.5
const priorSeconds = 60

/** Standard deviations of a 0.5 % tail. The two are compared at every claim, so a 2 % tail is met all the time. */
const surprise = 2.6

export function emptyRateMemory(): RateMemory {
  return { fast: { claims: 0, seconds: 0 }, slow: { claims: 0, seconds: 0 } }
}

/** Changes `memory`. */
export function noteClaims({ fast, slow }: RateMemory, elapsedSeconds: number, claims: number): void {
  discount(fast, elapsedSeconds, fastSeconds)
  discount(slow, elapsedSeconds, slowSeconds)
  fast.claims += claims
  slow.claims += claims
}

function discount(count: DiscountedCount, elapsedSeconds: number, memorySeconds: number): void {
  if (elapsedSeconds === 0) return
  const kept = Math.exp(-elapsedSeconds / memorySeconds)
  count.claims *= kept
  count.seconds = count.seconds * kept + memorySeconds * (1 - kept)
}

/** The estimates that count now: one of the two, or both when claims come faster than the hour's rate. */
export function believedRates({ fast, slow }: RateMemory, dispersion: number): readonly RateEstimate[] {
  const long = estimate(slow)
  const expected = long.perSecond * fast.seconds
  const excess = fast.claims - expected
  if (Math.abs(excess) <= surprise * Math.sqrt(dispersion * expected)) return [long]
  return excess > 0 ? [long, estimate(fast)] : [estimate(fast)]
}

function estimate({ claims, seconds }: DiscountedCount): RateEstimate {
  return { perSecond: (claims + priorClaims) / (seconds + priorSeconds), evidence: claims + priorClaims }
}

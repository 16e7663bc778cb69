/**
 * What the claims of the past would have needed. For each claim the pods that were missing or to spare are noted as the
 * offset that would just have served it; the wanted hit rate is a quantile of those. This is conformal prediction with
 * fading weights: it holds for bursts, batches and any start times, because it counts instead of assuming.
 *
 * Five rules are kept side by side: from "follow the model" (blend 0) to "keep a constant number" (blend 1), each with the
 * offset that meets the goal. The one that would have cost the fewest pods is used: the model wins where the load moves, the
 * constant where it does not, or where bursts come without warning.
 */
export interface PastClaims {
  /** One histogram a blend, by signed score. */
  readonly scores: number[][]
  /** Weight of the next claim; grows, which is the same as all others fading. */
  unit: number
  total: number
  /** Mean of the model's number over time, in the same weights. */
  baseSeconds: number
  seconds: number
  /** Since the last claim. */
  quietSeconds: number
  /** Index of the blend in use. */
  chosen: number
}

export const blends: readonly number[] = [0, 0.25, 0.5, 0.75, 1]

/** Scores up to 96 pods have bins of their own; beyond, each bin is 8 % wider, as is then the error of the offset. */
const exactScores = 96
const scoreGrowth = 1.08
/** 96 x 1.08^91 is more than 100,000 pods. */
const widerBins = 91
const half = exactScores + widerBins
const binCount = 2 * half + 1

/** Twenty misses at the goal: their number is known to a quarter. */
const rememberedMisses = 20
/** At least a day, so that a busy pool judges the night by the night. */
const rememberedSeconds = 86_400

export function emptyPastClaims(): PastClaims {
  const scores = blends.map(() => Array.from({ length: binCount }, () => 0))
  return { scores, unit: 1, total: 0, baseSeconds: 0, seconds: 0, quietSeconds: 0, chosen: 0 }
}

/** Changes `past`. */
export function notePastTime(past: PastClaims, base: number, elapsedSeconds: number): void {
  past.baseSeconds += base * elapsedSeconds * past.unit
  past.seconds += elapsedSeconds * past.unit
  past.quietSeconds += elapsedSeconds
}

export interface PastClaim {
  /** Replacements of claimed pods that were under way. */
  readonly replacing: number
  /** Pods under way because the model's number had grown. */
  readonly growing: number
  /** The model's number at that time. */
  readonly base: number
}

/** Changes `past`. */
export function notePastClaim(past: PastClaims, claim: PastClaim, missesAllowed: number): void {
  blends.forEach((blend, index) => {
    const ofModel = 1 - blend
    const score = Math.ceil(claim.replacing + 1 + ofModel * (claim.growing - claim.base) - 1e-9)
    const bins = past.scores[index] as number[]
    const bin = binOf(score)
    bins[bin] = (bins[bin] ?? 0) + past.unit
  })
  past.total += past.unit
  past.unit *= 1 + Math.min(missesAllowed / rememberedMisses, past.quietSeconds / rememberedSeconds)
  past.quietSeconds = 0
  if (past.unit > 1e6) rescale(past)
}

function rescale(past: PastClaims): void {
  const factor = 1 / past.unit
  for (const bins of past.scores)
    for (let bin = 0; bin < bins.length; bin += 1) bins[bin] = (bins[bin] ?? 0) * factor
  past.total *= factor
  past.baseSeconds *= factor
  past.seconds *= factor
  past.unit = 1
}

function binOf(score: number): number {
  const size = Math.abs(score)
  if (size <= exactScores) return half + score
  const wider = Math.min(widerBins, Math.ceil(Math.log(size / exactScores) / Math.log(scoreGrowth)))
  return score > 0 ? half + exactScores + wider : half - exactScores - wider
}

/** The score at a share of the bin, counted from its largest. */
function scoreAt(bin: number, share: number): number {
  const signed = bin - half
  const wider = Math.abs(signed) - exactScores
  if (wider <= 0) return signed
  const near = exactScores * scoreGrowth ** (wider - 1)
  const far = near * scoreGrowth
  return signed > 0 ? far - share * (far - near) : -near - share * (far - near)
}

/** Claims that the memory is worth now. */
export function claimsRemembered({ total, unit }: PastClaims): number {
  return total / unit
}

export interface BlendOffset {
  readonly blend: number
  /** Pods on top of the model's share. */
  readonly offset: number
}

/** The cheapest blend whose offset would have met the goal. Changes `past.chosen`. */
export function cheapestBlend(past: PastClaims, missesAllowed: number): BlendOffset {
  const remembered = claimsRemembered(past)
  // Fewer than one allowed miss: the sample says nothing about so rare a thing, except when it did happen.
  if (remembered * missesAllowed < 1)
    return { blend: 0, offset: Math.max(0, offsetOf(past, 0, missesAllowed)) }
  const meanBase = past.seconds > 0 ? past.baseSeconds / past.seconds : 0
  const settled = remembered * missesAllowed >= 5
  let best = { index: past.chosen, offset: 0, cost: Number.POSITIVE_INFINITY }
  const count = settled ? blends.length : 1
  for (let index = 0; index < count; index += 1) {
    const offset = offsetOf(past, index, missesAllowed)
    const inUse = index === past.chosen
    // Another blend must be cheaper by 3 % and a quarter of a pod: a change of blend moves the target.
    const cost = ((1 - (blends[index] ?? 0)) * meanBase + offset) * (inUse ? 0.97 : 1) - (inUse ? 0.25 : 0)
    if (cost < best.cost) best = { index, offset, cost }
  }
  past.chosen = best.index
  return { blend: blends[best.index] ?? 0, offset: best.offset }
}

function offsetOf({ scores, total }: PastClaims, index: number, missesAllowed: number): number {
  const bins = scores[index] as number[]
  let allowed = total * missesAllowed
  for (let bin = binCount - 1; bin > 0; bin -= 1) {
    const weight = bins[bin] ?? 0
    if (allowed < weight) return scoreAt(bin, allowed / weight)
    allowed -= weight
  }
  return scoreAt(0, 1)
}

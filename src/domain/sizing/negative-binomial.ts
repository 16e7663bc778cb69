/**
 * Quantiles of counts whose rate is not quite known: negative binomial by mean and squared coefficient of variation of the
 * rate, so that variance = mean + squaredCv * mean^2. With squaredCv 0 it is Poisson.
 */

/** e^-700 is still a number; so the probabilities can be summed from zero. */
const leastLogarithm = -700
/** Summing so many takes about 0.1 ms. Beyond it the gamma law is as good. */
const mostSummed = 50_000

/** Smallest count k with P(N <= k) >= level. */
export function countQuantile(level: number, mean: number, squaredCv: number): number {
  if (!(mean > 0)) return 0
  const spread = mean * squaredCv
  const logOfNone = squaredCv < 1e-9 ? -mean : -Math.log1p(spread) / squaredCv
  const isSummed = logOfNone > leastLogarithm && mean + 5 * Math.sqrt(mean * (1 + spread)) < mostSummed
  if (!isSummed) return searchedQuantile(level, mean, squaredCv)
  // P(k+1) / P(k) = ratio * (1 + k * squaredCv) / (k + 1), of Poisson as well.
  const ratio = mean / (1 + spread)
  let probability = Math.exp(logOfNone)
  let sum = probability
  let count = 0
  // Rounding may keep the sum a hair under a level close to 1; beyond the bulk nothing is left to add.
  while (sum < level && (probability > 1e-18 || count < mean)) {
    probability *= (ratio * (1 + count * squaredCv)) / (count + 1)
    count += 1
    sum += probability
  }
  return count
}

/** Large means: a normal guess widens to a bracket, and bisection over the distribution function ends it. */
function searchedQuantile(level: number, mean: number, squaredCv: number): number {
  const deviation = Math.sqrt(mean + squaredCv * mean * mean)
  let low = -1
  let high = Math.ceil(mean + 4 * deviation)
  while (cumulative(high, mean, squaredCv) < level) {
    low = high
    high += Math.ceil(4 * deviation)
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (cumulative(middle, mean, squaredCv) >= level) high = middle
    else low = middle
  }
  return high
}

/**
 * P(N <= k) by the normal law after the Wilson-Hilferty cube root, whose error is below 0.0005 for means above 300. The
 * count is a gamma mixture of Poissons; its own gamma law has the same mean and variance.
 */
function cumulative(count: number, mean: number, squaredCv: number): number {
  if (count < 0) return 0
  const relativeVariance = 1 / mean + squaredCv
  const third = relativeVariance / 9
  const z = (Math.cbrt((count + 0.5) / mean) - 1 + third) / Math.sqrt(third)
  return normalCumulative(z)
}

/** Abramowitz and Stegun 7.1.26 has an error of 1.5e-7; enough for levels up to 0.9999. */
function normalCumulative(z: number): number {
  const x = Math.abs(z) / Math.SQRT2
  const t = 1 / (1 + 0.3275911 * x)
  const polynomial =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
  const tail = (polynomial * Math.exp(-x * x)) / 2
  return z > 0 ? 1 - tail : tail
}

import type { SeededDraws } from './seeded-draws.ts'

/** Claims that are made up: times in seconds from zero, ascending. */

const daySeconds = 86_400

/** Claims at a rate that changes with time, by thinning of a Poisson stream at the highest rate. */
function thinned(
  draws: SeededDraws,
  seconds: number,
  highest: number,
  rateAt: (second: number) => number,
): Float64Array {
  const times: number[] = []
  for (let time = draws.exponential() / highest; time < seconds; time += draws.exponential() / highest)
    if (draws.uniform() * highest < rateAt(time)) times.push(time)
  return Float64Array.from(times)
}

export function poissonClaims(draws: SeededDraws, seconds: number, perSecond: number): Float64Array {
  return thinned(draws, seconds, perSecond, () => perSecond)
}

/** A smooth day: the least at midnight and the most at noon. */
export function diurnalClaims(
  draws: SeededDraws,
  seconds: number,
  least: number,
  most: number,
): Float64Array {
  return thinned(
    draws,
    seconds,
    most,
    (second) => least + ((most - least) * (1 - Math.cos((2 * Math.PI * second) / daySeconds))) / 2,
  )
}

/** Work that begins sharply at 09:00 and ends at 17:00. */
export function stepClaims(draws: SeededDraws, seconds: number, least: number, most: number): Float64Array {
  return thinned(draws, seconds, most, (second) => {
    const hour = (second % daySeconds) / 3_600
    return hour >= 9 && hour < 17 ? most : least
  })
}

/** The first five minutes of each hour have `factor` times the rate. */
export function hourlyClaims(
  draws: SeededDraws,
  seconds: number,
  perSecond: number,
  factor: number,
): Float64Array {
  return thinned(draws, seconds, perSecond * factor, (second) =>
    second % 3_600 < 300 ? perSecond * factor : perSecond,
  )
}

/** Bursts at random: quiet for 20 min and busy for 2 min on average, at `factor` times the rate. */
export function burstClaims(
  draws: SeededDraws,
  seconds: number,
  perSecond: number,
  factor: number,
): Float64Array {
  let isBusy = false
  let until = draws.exponential() * 1_200
  return thinned(draws, seconds, perSecond * factor, (second) => {
    while (second >= until) {
      isBusy = !isBusy
      until += draws.exponential() * (isBusy ? 120 : 1_200)
    }
    return isBusy ? perSecond * factor : perSecond
  })
}

/** Fan-outs: batches of `size` on average (geometric) within about a second, at random times. */
export function batchClaims(
  draws: SeededDraws,
  seconds: number,
  perSecond: number,
  size: number,
): Float64Array {
  const times: number[] = []
  const gap = size / perSecond
  for (let time = draws.exponential() * gap; time < seconds; time += draws.exponential() * gap) {
    const count = 1 + Math.floor(Math.log(1 - draws.uniform()) / Math.log(1 - 1 / size))
    for (let claim = 0; claim < count; claim += 1) times.push(time + draws.uniform())
  }
  return Float64Array.from(times).sort()
}

import type { SeededDraws } from './seeded-draws.ts'
import {
  batchClaims,
  burstClaims,
  diurnalClaims,
  hourlyClaims,
  poissonClaims,
  stepClaims,
} from './synthetic-claims.ts'

interface SyntheticLoad {
  readonly numbers: readonly number[]
  readonly meaning: string
  readonly make: (draws: SeededDraws, seconds: number, numbers: readonly number[]) => Float64Array
}

/** Their numbers may be given after a colon: `poisson:0.5`, `diurnal:0.02,0.6`. */
export const syntheticLoads: Readonly<Record<string, SyntheticLoad>> = {
  poisson: {
    numbers: [0.2],
    meaning: 'claims/s, evenly random',
    make: (draws, seconds, [rate = 0]) => poissonClaims(draws, seconds, rate),
  },
  diurnal: {
    numbers: [0.02, 0.6],
    meaning: 'claims/s at midnight and at noon',
    make: (draws, seconds, [least = 0, most = 0]) => diurnalClaims(draws, seconds, least, most),
  },
  step: {
    numbers: [0.02, 1],
    meaning: 'claims/s at night and from 09:00 to 17:00',
    make: (draws, seconds, [least = 0, most = 0]) => stepClaims(draws, seconds, least, most),
  },
  hourly: {
    numbers: [0.1, 10],
    meaning: 'claims/s, and how many times as many in the first five minutes of an hour',
    make: (draws, seconds, [rate = 0, factor = 1]) => hourlyClaims(draws, seconds, rate, factor),
  },
  bursts: {
    numbers: [0.05, 30],
    meaning: 'claims/s, and how many times as many for two minutes now and then',
    make: (draws, seconds, [rate = 0, factor = 1]) => burstClaims(draws, seconds, rate, factor),
  },
  batches: {
    numbers: [0.2, 12],
    meaning: 'claims/s, in batches of so many on average',
    make: (draws, seconds, [rate = 0, size = 2]) => batchClaims(draws, seconds, rate, size),
  },
}

/** More claims than this take more memory than a laptop has to spare. */
const mostClaims = 50_000_000

/** @throws TypeError what is wrong */
export function syntheticClaims(text: string, draws: SeededDraws, seconds: number): Float64Array {
  const [name = '', given] = text.split(':', 2)
  const load = Object.hasOwn(syntheticLoads, name) ? syntheticLoads[name] : undefined
  if (!load)
    throw new TypeError(`--synthetic: there is no "${name}": ${Object.keys(syntheticLoads).join(', ')}`)
  const numbers = given === undefined ? load.numbers : given.split(',').map(Number)
  const usual = load.numbers.join(',')
  if (numbers.length !== load.numbers.length || !numbers.every((value) => value > 0 && value <= 100_000))
    throw new TypeError(
      `--synthetic ${name}:${usual} takes ${load.numbers.length} positive numbers (${load.meaning})`,
    )
  const most =
    Math.max(...numbers) * seconds * (name === 'hourly' || name === 'bursts' ? (numbers[0] ?? 1) : 1)
  if (most > mostClaims)
    throw new TypeError(`--synthetic ${text}: more than ${mostClaims} claims; fewer --days`)
  return load.make(draws, seconds, numbers)
}

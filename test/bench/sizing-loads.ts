import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readTrace } from '../../src/cli/simulate/read-trace.ts'
import { createSeededDraws, type SeededDraws } from '../../src/cli/simulate/seeded-draws.ts'
import {
  batchClaims,
  burstClaims,
  diurnalClaims,
  hourlyClaims,
  poissonClaims,
  stepClaims,
} from '../../src/cli/simulate/synthetic-claims.ts'

/** What the load is held to: the idle cost of a steady one, of one that moves with the clock, or only its hit rate. */
export type LoadKind = 'steady' | 'moving' | 'other'

export interface SizingLoad {
  readonly name: string
  readonly kind: LoadKind
  readonly days: number
  /** Start times are so many times as long. */
  readonly slower?: number
  readonly claims: (draws: SeededDraws, seconds: number) => Float64Array
}

/** Days are such that each has 50,000 claims and more: at 99.9 % that tells 0.03 points. */
export const syntheticLoads: readonly SizingLoad[] = [
  { name: 'Poisson 0.02/s', kind: 'steady', days: 40, claims: (d, s) => poissonClaims(d, s, 0.02) },
  { name: 'Poisson 0.2/s', kind: 'steady', days: 10, claims: (d, s) => poissonClaims(d, s, 0.2) },
  { name: 'Poisson 1/s', kind: 'steady', days: 3, claims: (d, s) => poissonClaims(d, s, 1) },
  { name: 'Poisson 5/s', kind: 'steady', days: 2, claims: (d, s) => poissonClaims(d, s, 5) },
  { name: 'batches of 12, 0.2/s', kind: 'steady', days: 10, claims: (d, s) => batchClaims(d, s, 0.2, 12) },
  { name: 'diurnal 0.02-0.6/s', kind: 'moving', days: 8, claims: (d, s) => diurnalClaims(d, s, 0.02, 0.6) },
  {
    name: 'diurnal, starts x4',
    kind: 'moving',
    days: 8,
    slower: 4,
    claims: (d, s) => diurnalClaims(d, s, 0.02, 0.6),
  },
  { name: '09:00 step to 1/s', kind: 'moving', days: 8, claims: (d, s) => stepClaims(d, s, 0.02, 1) },
  { name: 'x10 for 5 min an hour', kind: 'moving', days: 8, claims: (d, s) => hourlyClaims(d, s, 0.1, 10) },
  { name: 'on-off bursts x30', kind: 'other', days: 10, claims: (d, s) => burstClaims(d, s, 0.05, 30) },
]

/** Each CSV of the folder, stretched to 0.2 claims a second if it is shorter than a day. */
export async function traceLoads(folder: string): Promise<readonly SizingLoad[]> {
  const files = readdirSync(folder).filter((file) => file.endsWith('.csv'))
  return Promise.all(
    files.map(async (file) => {
      const given = { draws: createSeededDraws(1), now: Date.now() }
      const { claimTimes } = await readTrace(join(folder, file), { ...given, stretch: 1 })
      const seconds = claimTimes.at(-1) ?? 1
      const stretch = seconds < 86_400 ? Math.max(1, claimTimes.length / 0.2 / seconds) : 1
      const claims = claimTimes.map((time) => time * stretch)
      const load: SizingLoad = {
        name: file,
        kind: 'other',
        days: (seconds * stretch) / 86_400,
        claims: () => claims,
      }
      return load
    }),
  )
}

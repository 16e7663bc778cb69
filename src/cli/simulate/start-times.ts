import { readFile } from 'node:fs/promises'
import { GreenroomError } from '../../errors.ts'
import type { SeededDraws } from './seeded-draws.ts'

/** Standard normal deviate of the 99th percentile. */
const z99 = 2.3263

export type StartTimes = (draws: SeededDraws) => () => number

/**
 * `lognormal:MEDIAN,P99` in seconds, `constant:SECONDS`, or a file with seconds a line, which are drawn again and again.
 * @throws TypeError what is wrong
 */
export async function readStartTimes(text: string): Promise<StartTimes> {
  const [kind, numbers] = text.split(':', 2)
  if (kind === 'lognormal') {
    const [median = Number.NaN, p99 = Number.NaN] = (numbers ?? '').split(',').map(Number)
    if (!(median > 0 && p99 >= median && p99 <= 86_400))
      throw new TypeError('--starts lognormal:MEDIAN,P99 needs seconds with 0 < MEDIAN <= P99 <= 86400')
    const spread = Math.log(p99 / median) / z99
    return (draws) => () => median * Math.exp(spread * draws.normal())
  }
  if (kind === 'constant') {
    const seconds = Number(numbers)
    if (!(seconds > 0 && seconds <= 86_400))
      throw new TypeError('--starts constant:SECONDS needs more than 0')
    return () => () => seconds
  }
  const seconds = await readSeconds(text)
  return (draws) => () => seconds[Math.floor(draws.uniform() * seconds.length)] as number
}

async function readSeconds(file: string): Promise<readonly number[]> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new TypeError(`--starts: lognormal:MEDIAN,P99, constant:SECONDS or a file: ${error.message}`)
  })
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  const rows = lines.map((line, index) => ({ line, row: index + 1 })).filter(({ line }) => line !== '')
  const seconds = rows.map(({ line }) => Number(line))
  const wrong = seconds.findIndex((value) => !(value >= 0 && value <= 86_400))
  if (wrong > 0 || seconds.length === 0 || (wrong === 0 && seconds.length === 1)) {
    const problem =
      wrong === -1 ? 'has no rows' : `row ${rows[wrong]?.row}: "${rows[wrong]?.line}" are not seconds`
    throw new GreenroomError('GRN_INVALID_TRACE', `${file}: ${problem}.`)
  }
  // A first row that is no number is a header.
  return wrong === 0 ? seconds.slice(1) : seconds
}

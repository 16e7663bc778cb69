import type { BenchRow } from './latency-recorder.ts'

/** How many times as fast the second side is as the first in one case; undefined where there is none. */
export interface PeerRatio {
  readonly case: string
  readonly p50: number | undefined
  readonly p90: number | undefined
  readonly p99: number | undefined
  /** Of the rates, where the answers set them. */
  readonly perSecond: number | undefined
}

interface Naming {
  /** Rows are named `CASE, SIDE`. */
  readonly sides: readonly [string, string]
  /** Names of the cases in which the caller sets the rate. */
  readonly paced: readonly string[]
}

export function ratiosOfPeers(
  rows: readonly BenchRow[],
  { sides: [first, second], paced }: Naming,
): readonly PeerRatio[] {
  return rows.flatMap((one) => {
    const name = one.case.slice(0, -`, ${first}`.length)
    const other = rows.find((row) => row.case === `${name}, ${second}`)
    if (one.case !== `${name}, ${first}` || !other) return []
    return [
      {
        case: name,
        p50: times(one.p50Ms, other.p50Ms),
        p90: times(one.p90Ms, other.p90Ms),
        p99: times(one.p99Ms, other.p99Ms),
        perSecond: paced.includes(name) ? undefined : times(other.perSecond, one.perSecond),
      },
    ]
  })
}

function times(slow: number, fast: number): number | undefined {
  return slow > 0 && fast > 0 ? Math.round((slow / fast) * 10) / 10 : undefined
}

/** Lines of a table: `12.3 ×` in each cell. */
export function ratioTable(ratios: readonly PeerRatio[]): readonly string[] {
  const line = (name: string, cells: readonly string[]) =>
    `${name.padEnd(20)}${cells.map((cell) => cell.padStart(10)).join('')}`
  const cell = (ratio: number | undefined) => (ratio === undefined ? '–' : `${ratio.toFixed(1)} ×`)
  return [
    line('as fast', ['p50', 'p90', 'p99', '/s']),
    ...ratios.map((its) => line(its.case, [its.p50, its.p90, its.p99, its.perSecond].map(cell))),
  ]
}

import { cpus, release, totalmem } from 'node:os'
import type { BenchRow } from './latency-recorder.ts'

/** What a bench gives back; whatever it has to say beyond rows goes to the report as it is. */
export interface BenchResult {
  readonly rows: readonly BenchRow[]
  /** Lines for the reader of the table, printed below it; what they say is in the report in another form. */
  readonly below?: readonly string[]
  readonly [more: string]: unknown
}

/** What `--report FILE` writes. */
interface BenchReport extends Omit<BenchResult, 'below'> {
  readonly bench: string
  /** RFC 3339 UTC. */
  readonly at: string
  readonly node: string
  readonly machine: {
    readonly cpu: string
    readonly cores: number
    readonly memoryMb: number
    readonly system: string
  }
  readonly options: Readonly<Record<string, string | boolean>>
}

export function reportOf(
  bench: string,
  options: BenchReport['options'],
  { rows, below: _below, ...more }: BenchResult,
): BenchReport {
  const all = cpus()
  return {
    bench,
    at: new Date().toISOString(),
    node: process.version,
    machine: {
      cpu: all[0]?.model ?? 'unknown',
      cores: all.length,
      memoryMb: Math.round(totalmem() / 2 ** 20),
      system: `${process.platform} ${release()}`,
    },
    options,
    rows,
    ...more,
  }
}

const columns = ['c', '/s', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms', 'errors'] as const

export function tableOf(rows: readonly BenchRow[]): string {
  const width = Math.max(12, ...rows.map((row) => row.case.length)) + 2
  const line = (name: string, cells: readonly string[]) =>
    `${name.padEnd(width)}${cells.map((cell) => cell.padStart(10)).join('')}`
  return [line('case', columns), ...rows.map((row) => line(row.case, cellsOf(row)))].join('\n')
}

function cellsOf(row: BenchRow): readonly string[] {
  const times = [row.p50Ms, row.p90Ms, row.p99Ms, row.maxMs].map((ms) => ms.toFixed(2))
  const perSecond = row.perSecond < 100 ? row.perSecond.toFixed(1) : row.perSecond.toFixed(0)
  return [String(row.concurrency), perSecond, ...times, String(row.errors)]
}

import { build, type Histogram } from 'hdr-histogram-js'
import type { Measured } from './load-loop.ts'

/** One line of a report. Times are milliseconds of the client's clock; a baseline has a row of its own. */
export interface BenchRow {
  readonly case: string
  readonly concurrency: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly errors: number
  /** How many measurements the percentiles are made of. */
  readonly count: number
}

/** Microseconds from 1 to an hour at three digits: 200 KB a recorder. */
const longestUs = 3_600_000_000
const digits = 3

interface LatencyRecorder {
  /** Several rounds add up. An answer that was not the one wanted is counted; its time is not in the percentiles. */
  take(measured: Measured): void
  row(name: string, concurrency: number): BenchRow
}

export function createLatencyRecorder(): LatencyRecorder {
  const histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: longestUs,
    numberOfSignificantValueDigits: digits,
  })
  let errors = 0
  let totalMs = 0
  const at = (percentile: number) => (histogram.totalCount === 0 ? 0 : inMs(histogram, percentile))
  return {
    take(measured) {
      // Less than a microsecond counts as one: the histogram knows no zero.
      for (const us of measured.latenciesUs)
        histogram.recordValue(Math.min(longestUs, Math.max(1, Math.round(us))))
      errors += measured.errors
      totalMs += measured.durationMs
    },
    row: (name, concurrency) => ({
      case: name,
      concurrency,
      perSecond: totalMs === 0 ? 0 : Math.round((histogram.totalCount / totalMs) * 10_000) / 10,
      p50Ms: at(50),
      p90Ms: at(90),
      p99Ms: at(99),
      maxMs: at(100),
      errors,
      count: histogram.totalCount,
    }),
  }
}

function inMs(histogram: Histogram, percentile: number): number {
  return histogram.getValueAtPercentile(percentile) / 1_000
}

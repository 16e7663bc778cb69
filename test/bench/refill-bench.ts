import type { Bench, BenchOptions } from './bench.ts'
import type { BenchResult } from './bench-report.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { type RefilledBed, startRefilledBed } from './refilled-bed.ts'

/** A steady stream of short sessions on a pool that the controller refills: what claims cost while pods come and go. */
export const bench: Bench = {
  summary: 'open loop at steady rates, short sessions, the pool refilled by the controller',
  options: {
    pool: { type: 'string', default: '100' },
    rates: { type: 'string', default: '8,20' },
    seconds: { type: 'string', default: '60' },
    'session-seconds': { type: 'string', default: '2' },
    /** At the highest rate, before the first case. */
    'warm-up-seconds': { type: 'string', default: '60' },
  },
  run: runRefillBench,
}

/** Before a rate is measured: the API's code is compiled by then, and claims, ends and refills overlap. */
const warmUpSeconds = 5

export async function runRefillBench(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const pool = Number(options.pool)
  // With `fail` an empty pool is an answer that is counted, not a wait that is hidden in the times.
  const bed = await startRefilledBed({ pool, more: 3 * pool, onEmpty: 'fail', say })
  try {
    const rows: BenchRow[] = []
    const perRate: Record<string, object> = {}
    const rates = String(options.rates).split(',').map(Number)
    // Else the first case alone pays for what V8 has still to compile in API, controller and webhook.
    await measureRate(bed, Math.max(...rates), { ...options, seconds: options['warm-up-seconds'] ?? '0' })
    say('warmed up')
    for (const rate of rates) {
      const { row, ...more } = await measureRate(bed, rate, options)
      rows.push(row)
      perRate[row.case] = more
      say(`${row.case}: p50 ${row.p50Ms} ms, p99 ${row.p99Ms} ms; ${JSON.stringify(more)}`)
    }
    return { rows, perRate }
  } finally {
    await bed.stop()
  }
}

interface RateResult {
  readonly row: BenchRow
  readonly emptyPoolAnswers: number
  /** Pod writes of Greenroom's own identities, from the first open until the pool is full again. */
  readonly apiWritesPerSession: number
}

async function measureRate(bed: RefilledBed, perSecond: number, options: BenchOptions): Promise<RateResult> {
  const warmUp = perSecond * warmUpSeconds
  const count = warmUp + perSecond * Number(options.seconds)
  const writesBefore = await bed.podWrites()
  const result = await bed.load.call('run', {
    target: bed.target,
    loop: { kind: 'open', perSecond, lanes: perSecond * 4 },
    count,
    warmUp,
    endAfterMs: Number(options['session-seconds']) * 1_000,
  })
  await bed.untilFull()
  const writes = (await bed.podWrites()) - writesBefore
  const recorder = createLatencyRecorder()
  recorder.take(result)
  return {
    row: recorder.row(`open, ${perSecond}/s, refilled`, perSecond),
    emptyPoolAnswers: result.statuses[503] ?? 0,
    apiWritesPerSession: Math.round((writes / (result.statuses[201] ?? 1)) * 100) / 100,
  }
}

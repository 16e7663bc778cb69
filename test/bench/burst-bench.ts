import type { Bench, BenchOptions } from './bench.ts'
import type { BenchResult } from './bench-report.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import type { LoadResult } from './load-generator.ts'
import { type RefilledBed, startRefilledBed } from './refilled-bed.ts'

/** As many callers at once as there are warm pods. */
export const bench: Bench = {
  summary: 'as many opens at once as there are warm pods; the refill begins with the last answer, or at once',
  options: {
    pool: { type: 'string', default: '300' },
    rounds: { type: 'string', default: '5' },
  },
  run: runBurstBench,
}

export async function runBurstBench(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const pool = Number(options.pool)
  const bed = await startRefilledBed({ pool, more: 2 * pool, onEmpty: 'wait', say })
  const rounds = Number(options.rounds)
  try {
    // The first bursts compile code: they are thrown away.
    for (let round = 0; round < discardedRounds; round += 1) await burst(bed, pool, true)
    const rows: BenchRow[] = []
    for (const refillAtOnce of [false, true]) {
      const recorder = createLatencyRecorder()
      for (let round = 0; round < rounds; round += 1) recorder.take(await burst(bed, pool, refillAtOnce))
      rows.push(recorder.row(refillAtOnce ? 'refill at once' : 'refill with the last answer', pool))
      say(`${rows.at(-1)?.case}: p90 ${rows.at(-1)?.p90Ms} ms`)
    }
    return { rows }
  } finally {
    await bed.stop()
  }
}

const discardedRounds = 2

async function burst(bed: RefilledBed, pool: number, refillAtOnce: boolean): Promise<LoadResult> {
  const { load, target } = bed
  const signal = (name: 'SIGSTOP' | 'SIGCONT') => {
    const controller = bed.roles.get('controller')?.pid
    if (!refillAtOnce && controller !== undefined) process.kill(controller, name)
  }
  // Stopped for less than a second, the controller does not lose its Lease; meanwhile nobody creates pods.
  signal('SIGSTOP')
  try {
    const loop = { kind: 'closed', concurrency: pool } as const
    const result = await load.call('run', { target, loop, count: pool, warmUp: 0 })
    signal('SIGCONT')
    await load.call('end', { target, locations: result.locations })
    await bed.untilFull()
    return result
  } finally {
    signal('SIGCONT')
  }
}

import { rssMbOf } from './admission-bed.ts'
import type { BenchOptions } from './bench.ts'
import type { BenchResult } from './bench-report.ts'
import type { BenchRow } from './latency-recorder.ts'
import { type Difference, measureTurns, startTurnsBed, type Turn } from './open-turns.ts'

/** `claims --against FOLDER`: the API of this checkout and that of another one, by turns on the same stores and agents. */
export async function runVersionTurns(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const turnsBed = await startTurnsBed(Number(options.pool), say)
  const { bed } = turnsBed
  try {
    const turns: Turn[] = []
    for (const variant of [{ name: 'before', folder: String(options.against) }, { name: 'now' }]) {
      const target = await bed.startVariant(variant)
      turns.push({ name: variant.name, target, pid: bed.roles.get(variant.name)?.pid })
    }
    const rows: BenchRow[] = []
    const differences: Difference[] = []
    const cpuMsPerOpen: Record<string, object> = {}
    for (const concurrency of String(options.concurrency).split(',').map(Number)) {
      const measured = await measureTurns(turnsBed, turns, {
        pool: Number(options.pool),
        rounds: Number(options.rounds),
        concurrency,
        // V8 compiles for some 15,000 opens of each process.
        warmUpRounds: rows.length === 0 ? 6 : 1,
      })
      rows.push(...measured.rows)
      differences.push(...measured.differences)
      cpuMsPerOpen[`c=${concurrency}`] = measured.cpuMsPerOpen
      for (const row of measured.rows)
        say(`${row.case}: ${row.perSecond}/s, p50 ${row.p50Ms} ms, p99 ${row.p99Ms} ms`)
      say(JSON.stringify(measured.cpuMsPerOpen))
    }
    const rssMb = Object.fromEntries(turns.map(({ name, pid = 0 }) => [name, rssMbOf(pid)]))
    say(`resident memory, MB: ${JSON.stringify(rssMb)}`)
    return { rows, differences, cpuMsPerOpen, rssMb }
  } finally {
    await bed.stop()
  }
}

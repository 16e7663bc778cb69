import type { BenchOptions } from './bench.ts'
import type { BenchResult } from './bench-report.ts'
import { measureTurns, startTurnsBed } from './open-turns.ts'

/** `claims --against FOLDER`: opens of this checkout and of another one by turns, a replica of each over one bed. */
export async function runAgainstTurns(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const turnsBed = await startTurnsBed(Number(options.pool), say)
  const { bed } = turnsBed
  try {
    const turns = []
    for (const variant of [{ name: 'against', folder: String(options.against) }, { name: 'this' }]) {
      const target = await bed.startVariant(variant)
      turns.push({ name: variant.name, target, pid: bed.roles.get(variant.name)?.pid })
    }
    const rows = []
    const differences = []
    const cpuMsPerOpen: Record<string, object> = {}
    for (const concurrency of String(options.concurrency).split(',').map(Number)) {
      const measured = await measureTurns(turnsBed, turns, {
        pool: Number(options.pool),
        rounds: Number(options.rounds),
        concurrency,
        warmUpRounds: 3,
      })
      rows.push(...measured.rows)
      differences.push(...measured.differences)
      cpuMsPerOpen[`c=${concurrency}`] = measured.cpuMsPerOpen
      for (const line of measured.differences) say(JSON.stringify(line))
      say(JSON.stringify(measured.cpuMsPerOpen))
    }
    return { rows, differences, cpuMsPerOpen }
  } finally {
    await bed.stop()
  }
}

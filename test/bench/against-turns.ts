import type { BenchOptions } from './bench.ts'
import type { BenchResult } from './bench-report.ts'
import { measureTurns, startTurnsBed, startVariants, turnsSettings } from './open-turns.ts'

/** `claims --against FOLDER`: opens of this checkout and of another one by turns, a replica of each over one bed. */
export async function runAgainstTurns(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const turnsBed = await startTurnsBed(Number(options.pool), say)
  try {
    const versions = [{ name: 'against', folder: String(options.against) }, { name: 'this' }]
    const turns = await startVariants(turnsBed.bed, versions)
    return await measureTurns(turnsBed, turns, turnsSettings(options, 3), say)
  } finally {
    await turnsBed.bed.stop()
  }
}

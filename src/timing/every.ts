import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { pause } from './pause.ts'

interface LoopOptions {
  readonly name: string
  readonly everyMs: number
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly metrics: Metrics
}

/**
 * Runs `work` at once and then `everyMs` after each run has ended, until the signal fires. Runs never overlap. An error
 * is logged and counted and never thrown out of a timer. Resolves when the last run has ended.
 */
export async function every(options: LoopOptions, work: () => Promise<void>): Promise<void> {
  const { name, everyMs, signal, logger, metrics } = options
  while (!signal.aborted) {
    try {
      await work()
    } catch (error) {
      metrics.loopErrors.inc({ loop: name })
      logger.warn({ err: error, loop: name }, 'background loop failed; it goes on')
    }
    await pause(everyMs, signal)
  }
}

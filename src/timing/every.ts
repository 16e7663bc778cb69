import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'

interface LoopOptions {
  readonly name: string
  readonly everyMs: number
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly metrics: Metrics
}

/**
 * Runs `work` at once and then `everyMs` after it has ended, until the signal: never beside itself, and an error is
 * logged and counted, never thrown out of a timer. Resolves when the last run has ended.
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

/** Resolves after so many ms, or at once when the signal fires. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
}

import { GreenroomError } from './errors.ts'
import type { Logger } from './logging.ts'

/** Something that is started and stopped with the process. */
export interface Part {
  readonly name: string
  start?(): Promise<void> | void
  stop?(): Promise<void> | void
  /** How long its stop may take, ms, if that is more than `stopDeadlineMs`: a server that drains. */
  readonly stopWithinMs?: number
}

/** A part that hangs must not keep the others from stopping. Kubernetes kills the process after 30 s anyway. */
const stopDeadlineMs = 10_000

/** Starts parts in the order in which they were added and stops them in reverse, each within a deadline. */
export function createLifecycle(logger: Logger) {
  const started: Part[] = []
  let stopping: Promise<void> | undefined

  async function stopAll(): Promise<void> {
    for (const part of started.splice(0).reverse()) {
      if (!part.stop) continue
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(resolve, part.stopWithinMs ?? stopDeadlineMs, 'late')
      })
      try {
        if ((await Promise.race([part.stop(), late])) === 'late')
          logger.error({ part: part.name }, 'part did not stop in time')
      } catch (error) {
        logger.error({ part: part.name, err: error }, 'part failed to stop')
      } finally {
        clearTimeout(timer)
      }
    }
  }

  return {
    /**
     * Starts a part now. If it fails, the parts that run are stopped and the error is thrown. After a stop nothing starts
     * any more (GRN_SHUTTING_DOWN).
     */
    async start(part: Part): Promise<void> {
      if (stopping)
        throw new GreenroomError(
          'GRN_SHUTTING_DOWN',
          `Part ${part.name} was not started: the process is stopping.`,
        )
      try {
        await part.start?.()
        started.push(part)
      } catch (error) {
        await this.stop()
        throw error
      }
      // The signal came while this part started, so stop() has not stopped it.
      if (stopping) await stopAll()
    },
    /** Stops everything once, however often it is called. */
    stop(): Promise<void> {
      stopping ??= stopAll()
      return stopping
    },
  }
}

export type Lifecycle = ReturnType<typeof createLifecycle>

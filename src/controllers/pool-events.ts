import type { PlatformEvent } from '../domain/event.ts'
import type { EventLog } from '../domain/event-ports.ts'
import type { PoolProblem } from '../domain/pool-problem.ts'
import type { Logger } from '../logging.ts'

interface PoolEventsDeps {
  readonly log: Pick<EventLog, 'note'>
  readonly logger: Logger
}

/** How a pool is at one look. */
interface PoolCondition {
  readonly ready: number
  /** Opens that wait for a pod. */
  readonly waiting: number
  /** Whether idle pods are wanted at all. */
  readonly isWanted: boolean
  readonly problem: PoolProblem | undefined
}

/** What followers were told last. */
interface Told {
  readonly isEmpty: boolean
  readonly cause: string | undefined
  /** Whether the pool had a free pod at the look before. */
  readonly hadReady: boolean
}

const well: Told = { isEmpty: false, cause: undefined, hadReady: false }

/** The API server's words may be long; what an event says is read by people. */
const longestMessage = 1_000

/**
 * Tells followers when a pool becomes empty, gets a problem, and is well again. Each is told once; a new leader does not know
 * what was told, and may tell a problem again.
 */
export function createPoolEvents({ log, logger }: PoolEventsDeps) {
  const memory = new Map<string, Told>()

  return {
    async look(agentType: string, condition: PoolCondition): Promise<void> {
      const { events, told } = newsOf(agentType, condition, memory.get(agentType) ?? well)
      try {
        for (const event of events) await log.note(event)
        memory.set(agentType, told)
      } catch (error) {
        // The next look tries again, because the memory stays as it was.
        logger.warn({ err: error, agentType }, 'followers of events were not told how a pool is')
      }
    },

    forget: (agentType: string): void => void memory.delete(agentType),
  }
}

export type PoolEvents = ReturnType<typeof createPoolEvents>

function newsOf(agentType: string, { ready, waiting, isWanted, problem }: PoolCondition, told: Told) {
  const isEmpty = ready === 0 && (waiting > 0 || (isWanted && (told.hadReady || told.isEmpty)))
  const events: PlatformEvent[] = []
  if (isEmpty && !told.isEmpty) events.push({ type: 'pool.empty', agentType, waiting })
  if (problem && problem.cause !== told.cause) {
    const message = problem.message.slice(0, longestMessage)
    events.push({ type: 'pool.degraded', agentType, problem: { ...problem, message } })
  }
  // A pool that was empty is well again when it has a pod, not when nobody wants one any more.
  const isWell = !problem && !isEmpty && (ready > 0 || !told.isEmpty)
  if (isWell && (told.isEmpty || told.cause)) events.push({ type: 'pool.recovered', agentType })
  const next: Told = isWell
    ? { isEmpty: false, cause: undefined, hadReady: ready > 0 }
    : {
        isEmpty: isEmpty || told.isEmpty,
        cause: problem?.cause ?? told.cause,
        hadReady: ready > 0,
      }
  return { events, told: next }
}

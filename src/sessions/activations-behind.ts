import { setTimeout as pause } from 'node:timers/promises'
import type { Session } from '../domain/session.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { startPause } from '../timing/pause.ts'

interface ActivationsBehindDeps {
  readonly metrics: Pick<Metrics, 'activationsBehind'>
  readonly logger: Logger
}

/** With so many, further opens wait for their own activation before they answer: PostgreSQL is slow or away. */
const mostBehind = 1_000
/** Of a request that is about such a session. An activation that takes longer means that PostgreSQL is not well. */
const mostWaitMs = 1_000
/**
 * Nobody waits for them, so they are gathered into fewer statements than opens: this time is below that after which another
 * replica asks the pod.
 */
const gatherMs = 10
const firstRetryMs = 20
const lastRetryMs = 1_000

/**
 * Activations that go on behind the answers of their opens (ADR 45). Each is tried again until PostgreSQL has taken it or
 * the session is over. What is lost with this process is settled by asking the pods.
 */
export function createActivationsBehind({ metrics, logger }: ActivationsBehindDeps) {
  const underWay = new Map<string, Promise<void>>()
  let gathering: ReturnType<typeof startPause> | undefined

  /** All that begin in one stretch of time go on in one turn of the event loop, and so in one statement. */
  async function gather(): Promise<void> {
    gathering ??= startPause(gatherMs)
    await gathering.over
    gathering = undefined
  }

  async function untilDone(sessionId: string, activate: () => Promise<unknown>): Promise<void> {
    await gather()
    for (let retryMs = firstRetryMs; ; retryMs = Math.min(lastRetryMs, retryMs * 2)) {
      try {
        await activate()
        return
      } catch (error) {
        logger.warn({ err: error, sessionId }, 'activation behind its answer failed; it is tried again')
        // A process that has nothing else to do need not wait for PostgreSQL: other replicas ask the pod.
        await pause(retryMs, undefined, { ref: false })
      }
    }
  }

  return {
    hasRoom: (): boolean => underWay.size < mostBehind,

    /** `activate` may run several times. It resolves when the row is ACTIVE, or no longer PENDING in this epoch. */
    begin({ id }: Pick<Session, 'id'>, activate: () => Promise<unknown>): void {
      const done = untilDone(id, activate).finally(() => {
        underWay.delete(id)
        metrics.activationsBehind.set(underWay.size)
      })
      underWay.set(id, done)
      metrics.activationsBehind.set(underWay.size)
    },

    has: (sessionId: string): boolean => underWay.has(sessionId),

    /** Waits for the activation of this session, not for ever; false when none is under way here. */
    async wait(sessionId: string): Promise<boolean> {
      const done = underWay.get(sessionId)
      if (!done) return false
      gathering?.end()
      const { over, end } = startPause(mostWaitMs)
      await Promise.race([done, over])
      end()
      return true
    },

    /** When draining: resolves when nothing is under way any more. */
    async done(): Promise<void> {
      gathering?.end()
      while (underWay.size > 0) await Promise.all(underWay.values())
    },
  }
}

export type ActivationsBehind = ReturnType<typeof createActivationsBehind>

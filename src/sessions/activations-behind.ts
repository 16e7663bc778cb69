import { setTimeout as pause } from 'node:timers/promises'
import type { Session } from '../domain/session.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'

interface ActivationsBehindDeps {
  readonly metrics: Pick<Metrics, 'activationsBehind'>
  readonly logger: Logger
}

/** With so many, further opens wait for their own activation before they answer: PostgreSQL is slow or away. */
const mostBehind = 1_000
const firstRetryMs = 20
const lastRetryMs = 1_000

/**
 * Activations that go on behind the answers of their opens (ADR 45). Each is tried again until PostgreSQL has taken it or
 * the session is over. What is lost with this process is settled by asking the pods.
 */
export function createActivationsBehind({ metrics, logger }: ActivationsBehindDeps) {
  const underWay = new Map<string, Promise<void>>()

  async function untilDone(sessionId: string, activate: () => Promise<unknown>): Promise<void> {
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

    /** Resolves when this session's activation is done; undefined when none is under way here. Never rejects. */
    of: (sessionId: string): Promise<void> | undefined => underWay.get(sessionId),

    /** When draining: resolves when nothing is under way any more. */
    async done(): Promise<void> {
      while (underWay.size > 0) await Promise.all(underWay.values())
    },
  }
}

export type ActivationsBehind = ReturnType<typeof createActivationsBehind>

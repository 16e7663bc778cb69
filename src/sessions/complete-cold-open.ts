import type { WakeBus } from '../domain/index-ports.ts'
import type { Session } from '../domain/session.ts'
import type { Logger } from '../logging.ts'
import type { AwaitSession } from './await-session.ts'
import type { Prior } from './commit-slot.ts'
import type { OpenAttempts } from './open-attempts.ts'
import { deliveryFailed } from './open-failure.ts'
import { extendWait } from './open-progress.ts'
import type { Opening } from './opening.ts'

interface CompleteColdOpenDeps {
  readonly attempts: OpenAttempts
  readonly awaitSession: AwaitSession
  readonly wakes: WakeBus
  readonly logger: Logger
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Longer than any deadline of a cold start: the watch ends with the open. */
const longestWatchMs = 2 * 3_600_000

/**
 * Waits in the common queue for a pod and delivers the session to it. Meanwhile it watches the session's row: the
 * session may be ended, or a holder that was only slow may have got it a pod; then the waiting stops.
 */
export function createCompleteColdOpen(deps: CompleteColdOpenDeps) {
  const { attempts, awaitSession, wakes, logger, now } = deps

  async function watch(
    session: Session,
    signal: AbortSignal,
    overtaken: AbortController,
  ): Promise<Session | undefined> {
    const until = ({ status }: Session) => status !== 'PENDING'
    const waitMs = longestWatchMs
    const settled = await awaitSession(session.id, { until, waitMs, signal }).catch((error: unknown) => {
      logger.debug({ err: error, sessionId: session.id }, 'cold open not watched; its own attempts decide')
      return undefined
    })
    if (settled && until(settled)) overtaken.abort()
    return settled
  }

  return async function completeColdOpen(opening: Opening, session: Session, prior: Prior): Promise<Session> {
    const { context, spec, progress } = opening
    extendWait(progress, now(), spec.coldStart.deadlineSeconds * 1_000)
    const overtaken = new AbortController()
    const signal = AbortSignal.any([context.signal, overtaken.signal])
    // Its caller has a PENDING session already, and hears that it is ACTIVE from its row alone.
    const asked = { onEmpty: 'wait', isCold: true, opener: undefined } as const
    const asCold = { ...opening, ...asked, context: { ...context, signal } }
    const run = attempts.run(asCold, prior)
    const done = new AbortController()
    const settled = watch(session, AbortSignal.any([context.signal, done.signal]), overtaken)
    try {
      const attempted = await run
      // A slow holder has claimed a pod for it already, and delivers.
      const reached = attempted.kind === 'claimed' ? attempted.session : await settled
      if (reached?.status !== 'ACTIVE') throw deliveryFailed()
      wakes.publish({ kind: 'activated', sessionId: session.id })
      return reached
    } catch (error) {
      const other = overtaken.signal.aborted ? await settled : undefined
      if (other?.status === 'ACTIVE') return other
      throw error
    } finally {
      done.abort()
    }
  }
}

export type CompleteColdOpen = ReturnType<typeof createCompleteColdOpen>

import type { SessionStore, WakeBus } from '../domain/ports.ts'
import type { Session } from '../domain/session.ts'

interface AwaitSessionDeps {
  readonly sessions: SessionStore
  readonly wakes: WakeBus
  readonly now: () => number
}

export interface AwaitOptions {
  readonly until: (session: Session) => boolean
  readonly waitMs: number
  readonly signal: AbortSignal
}

/** Without a wake-up the row is read again after this time, doubling: wake-ups may be lost. */
const firstLookMs = 50
const lastLookMs = 500

/** Reads a session until it is as wished, time is up or the caller has gone; resolves with what it is then. */
export function createAwaitSession({ sessions, wakes, now }: AwaitSessionDeps) {
  return async function awaitSession(id: string, options: AwaitOptions): Promise<Session | undefined> {
    const { until, signal } = options
    const deadline = now() + options.waitMs
    let lookMs = firstLookMs
    for (;;) {
      const session = await sessions.get(id)
      const remaining = deadline - now()
      if (!session || until(session) || remaining <= 0 || signal.aborted) return session
      await wokenOr(id, Math.min(lookMs, remaining), signal)
      lookMs = Math.min(lastLookMs, lookMs * 2)
    }
  }

  function wokenOr(id: string, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        unsubscribe()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      const unsubscribe = wakes.subscribe((wake) => {
        if ((wake.kind === 'ended' || wake.kind === 'activated') && wake.sessionId === id) done()
      })
      signal.addEventListener('abort', done, { once: true })
    })
  }
}

export type AwaitSession = ReturnType<typeof createAwaitSession>

import type { WakeBus } from '../domain/index-ports.ts'
import type { Session } from '../domain/session.ts'
import type { SessionStore } from '../domain/session-ports.ts'
import { startPause } from '../timing/pause.ts'

interface AwaitSessionDeps {
  readonly sessions: Pick<SessionStore, 'get'>
  readonly wakes: Pick<WakeBus, 'subscribe'>
  /** Monotonic milliseconds. */
  readonly now: () => number
}

interface AwaitOptions {
  readonly until: (session: Session) => boolean
  readonly waitMs: number
  /** Only a session of this project; any other is not there. */
  readonly projectId?: string | undefined
  readonly signal: AbortSignal
}

/** Wake-ups may be lost, so the row is read again after this time, which doubles with each look. */
const firstLookMs = 50
const lastLookMs = 500

/** Reads a session until it is as wished, its time is up or the caller has gone; resolves with what it is then. */
export function createAwaitSession({ sessions, wakes, now }: AwaitSessionDeps) {
  async function pauseUntilWoken(id: string, ms: number, signal: AbortSignal): Promise<void> {
    const { over, end } = startPause(ms, signal)
    const unsubscribe = wakes.subscribe((wake) => {
      if ((wake.kind === 'ended' || wake.kind === 'activated') && wake.sessionId === id) end()
    })
    await over
    unsubscribe()
  }

  return async function awaitSession(id: string, options: AwaitOptions): Promise<Session | undefined> {
    const { until, signal, projectId } = options
    const deadline = now() + options.waitMs
    let lookMs = firstLookMs
    for (;;) {
      const session = await sessions.get(id, projectId)
      const remaining = deadline - now()
      if (!session || until(session) || remaining <= 0 || signal.aborted) return session
      await pauseUntilWoken(id, Math.min(lookMs, remaining), signal)
      lookMs = Math.min(lastLookMs, lookMs * 2)
    }
  }
}

export type AwaitSession = ReturnType<typeof createAwaitSession>

import type { WakeBus } from '../domain/index-ports.ts'
import { endReason, type Session } from '../domain/session.ts'
import type { PodFate, SessionStore } from '../domain/session-ports.ts'
import type { Logger } from '../logging.ts'

interface UndoOpenDeps {
  readonly sessions: Pick<SessionStore, 'failOpen' | 'beginEnding'>
  readonly wakes: Pick<WakeBus, 'publish'>
}

/**
 * Ends a session that was opened with others, because one of the others could not be opened. Never throws: what cannot be
 * ended now ends with its lease.
 */
export function createUndoOpen({ sessions, wakes }: UndoOpenDeps) {
  return async function undoOpen(session: Session, fate: PodFate, logger: Logger): Promise<void> {
    try {
      const failed = await sessions.failOpen(session, endReason.batchFailed, fate)
      // Another request of the same key has made it ACTIVE.
      if (!failed) await sessions.beginEnding(session.id, endReason.batchFailed, session.epoch)
    } catch (error) {
      logger.warn({ err: error, sessionId: session.id }, 'session of a failed batch was not ended')
    }
    // The controller takes the pod away and makes another, or offers it again.
    wakes.publish({ kind: 'claimed', agentType: session.agentType })
  }
}

export type UndoOpen = ReturnType<typeof createUndoOpen>

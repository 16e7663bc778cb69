import { agentIdentity } from '../domain/names.ts'
import type { RoomService } from '../domain/room-ports.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import type { Logger } from '../logging.ts'
import { createExpiringMemory } from '../timing/expiring-memory.ts'

interface AgentRemovalsDeps {
  readonly ledger: Pick<ClaimLedger, 'get'>
  /** undefined: no LiveKit is configured, so no agent has a token. */
  readonly rooms: Pick<RoomService, 'removeParticipant'> | undefined
  readonly logger: Logger
  readonly monotonicMs: () => number
}

/** An attempt whose pod was retired. Its agent may have been given a room token all the same. */
interface FailedAttempt {
  readonly sessionId: string
  readonly epoch: number
}

interface NotedAttempt {
  readonly attempt: FailedAttempt
  readonly at: number
  hasLooked: boolean
}

/** An agent that got its token just before its pod was given up may still be on its way: look once more. */
const secondLookMs = 5_000
/** Room tokens are good for ten minutes, and the pod is long gone by then. */
const giveUpMs = 15 * 60_000
/** A retired pod that hangs in its deletion is noted again and again. After this time its attempt is asked for anew. */
const memoryMs = 60 * 60_000

/** Removes the agents of failed attempts from their rooms, each once a leadership. LiveKit down delays nothing else. */
export function createAgentRemovals({ ledger, rooms, logger, monotonicMs }: AgentRemovalsDeps) {
  const noted = createExpiringMemory<string, NotedAttempt>({
    keptMs: memoryMs,
    now: monotonicMs,
  })
  let listener: ((key: string) => void) | undefined

  return {
    /** May be repeated for as long as the retired pod is seen. */
    note(attempt: FailedAttempt): void {
      if (!rooms) return
      const key = `${attempt.sessionId}/${attempt.epoch}`
      if (noted.has(key)) return
      noted.set(key, { attempt, at: monotonicMs(), hasLooked: false })
      listener?.(key)
    },

    /** Resolves with the time after which to look again, ms. Throws when LiveKit does not answer: try again later. */
    async reconcile(key: string): Promise<number | undefined> {
      const memory = noted.get(key)
      if (!rooms || !memory) return undefined
      const { sessionId, epoch } = memory.attempt
      const session = await ledger.get(sessionId)
      if (!session) return undefined
      try {
        const removed = await rooms.removeParticipant(session.room, agentIdentity(sessionId, epoch))
        if (removed) logger.info({ sessionId, epoch }, 'agent of a failed attempt was removed from the room')
        if (removed || memory.hasLooked) return undefined
        memory.hasLooked = true
        return secondLookMs
      } catch (error) {
        if (monotonicMs() - memory.at < giveUpMs) throw error
        logger.warn(
          { err: error, sessionId, epoch },
          'agent of a failed attempt was not removed from the room',
        )
        return undefined
      }
    },

    /** A new leadership begins; `onNoted` gets each key to reconcile. */
    begin(onNoted: (key: string) => void): void {
      noted.clear()
      listener = onNoted
    },
  }
}

export type AgentRemovals = ReturnType<typeof createAgentRemovals>

import { agentIdentity } from '../domain/names.ts'
import type { ClaimLedger, RoomService } from '../domain/ports.ts'
import type { Logger } from '../logging.ts'
import { createExpiringMemory } from '../timing/expiring-memory.ts'

export interface AgentRemovalsDeps {
  readonly ledger: Pick<ClaimLedger, 'get'>
  /** undefined: no LiveKit is configured, and nobody has a token. */
  readonly rooms: RoomService | undefined
  readonly logger: Logger
  readonly monotonicMs: () => number
}

/** An attempt whose pod was retired; its agent may have been given a room token all the same. */
export interface FailedAttempt {
  readonly sessionId: string
  readonly epoch: number
}

/** An agent that was told just before it was given up may still be on its way into the room: looked for once more. */
const secondLookMs = 5_000
/** Room tokens are good for ten minutes, and the pod is long gone by then. */
const giveUpMs = 15 * 60_000
/** A retired pod that hangs in its deletion is noted again and again; after this its attempt would be asked for anew. */
const memoryMs = 60 * 60_000

/** Throws the agents of failed attempts out of their rooms, each once a leadership. LiveKit down holds up nothing. */
export function createAgentRemovals({ ledger, rooms, logger, monotonicMs }: AgentRemovalsDeps) {
  const noted = createExpiringMemory<string, { readonly at: number; looked: boolean }>({
    keptMs: memoryMs,
    now: monotonicMs,
  })
  let listener: ((key: string) => void) | undefined

  return {
    /** May be repeated as long as the retired pod is seen. */
    note({ sessionId, epoch }: FailedAttempt): void {
      if (!rooms) return
      const key = `${sessionId}/${epoch}`
      if (noted.has(key)) return
      noted.set(key, { at: monotonicMs(), looked: false })
      listener?.(key)
    },

    /** Resolves with the time after which to look again, ms. Throws when LiveKit does not answer: try again later. */
    async reconcile(key: string): Promise<number | undefined> {
      const memory = noted.get(key)
      if (!rooms || !memory) return undefined
      const [sessionId = '', epoch = ''] = key.split('/')
      const session = await ledger.get(sessionId)
      if (!session) return undefined
      try {
        const removed = await rooms.removeParticipant(session.room, agentIdentity(sessionId, Number(epoch)))
        if (removed) logger.info({ sessionId, epoch }, 'agent of a failed attempt was removed from the room')
        if (removed || memory.looked) return undefined
        memory.looked = true
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

    /** A new leadership; `onNoted` is given each key to reconcile. */
    begin(onNoted: (key: string) => void): void {
      noted.clear()
      listener = onNoted
    },
  }
}

export type AgentRemovals = ReturnType<typeof createAgentRemovals>

import type { LiveKitAccess } from '../domain/assignment.ts'
import type { RoomAccess } from '../domain/ports.ts'
import type { Session } from '../domain/session.ts'

type Minted = Promise<LiveKitAccess | undefined>

/**
 * LiveKit tokens of one open, begun while PostgreSQL or the pod is waited for. Each goes to another thread and back (Web
 * Crypto), which an open that has the machine to itself would otherwise wait for twice.
 */
export interface EarlyTokens {
  agent?: { readonly epoch: number; readonly minted: Minted }
  participant?: Minted
}

export function createTokenMint(roomAccess: RoomAccess | undefined) {
  const begun = (minted: Minted): Minted => {
    // Whoever needs it hears of a failure; an open that ends before must not end the process.
    minted.catch(() => {})
    return minted
  }
  return {
    beginAgent(tokens: EarlyTokens, room: string, sessionId: string, epoch: number): void {
      if (roomAccess) tokens.agent = { epoch, minted: begun(roomAccess.forAgent(room, sessionId, epoch)) }
    },
    beginParticipant(tokens: EarlyTokens, session: Session): void {
      if (roomAccess)
        tokens.participant ??= begun(roomAccess.forParticipant(session.room, participantOf(session)))
    },
    /** For the attempt that the session is in; one begun for another attempt is of no use. */
    async agent(tokens: EarlyTokens, { room, id, epoch }: Session): Minted {
      return tokens.agent?.epoch === epoch ? tokens.agent.minted : roomAccess?.forAgent(room, id, epoch)
    },
    async participant(tokens: EarlyTokens, session: Session): Minted {
      return tokens.participant ?? roomAccess?.forParticipant(session.room, participantOf(session))
    },
  }
}

export type TokenMint = ReturnType<typeof createTokenMint>

export function participantOf(session: Session): { identity: string; name?: string } {
  return session.participant ?? { identity: `participant-${session.id}` }
}

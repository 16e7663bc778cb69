import type { LiveKitAccess } from '../domain/assignment.ts'
import type { RoomAccess, RoomSession } from '../domain/room-ports.ts'
import type { Session } from '../domain/session.ts'

type Minted = Promise<LiveKitAccess | undefined>

/**
 * LiveKit tokens that an open has begun to mint before it needs them. Minting goes to another thread and back (Web
 * Crypto); begun while PostgreSQL or the pod is waited for, it adds nothing to the open.
 */
export interface BegunTokens {
  agent?: { readonly epoch: number; readonly minted: Minted }
  participant?: Minted
}

/** Mints the tokens of an open: for the agent, one per attempt, and for the participant. */
export function createRoomTokens(roomAccess: RoomAccess | undefined) {
  const begun = (minted: Minted): Minted => {
    // A failure is thrown to the step that needs the token. An open that ends before it must not end the process.
    minted.catch(() => {})
    return minted
  }
  return {
    beginAgent(tokens: BegunTokens, session: RoomSession): void {
      if (roomAccess) tokens.agent = { epoch: session.epoch, minted: begun(roomAccess.forAgent(session)) }
    },
    beginParticipant(tokens: BegunTokens, session: Session): void {
      if (roomAccess) tokens.participant ??= begun(roomAccess.forParticipant(session, participantOf(session)))
    },
    /** For the attempt that the session is in. A token that was begun for another attempt is not used. */
    async agent(tokens: BegunTokens, session: RoomSession): Minted {
      return tokens.agent?.epoch === session.epoch ? tokens.agent.minted : roomAccess?.forAgent(session)
    },
    async participant(tokens: BegunTokens, session: Session): Minted {
      return tokens.participant ?? roomAccess?.forParticipant(session, participantOf(session))
    },
  }
}

export type RoomTokens = ReturnType<typeof createRoomTokens>

/** Rows of older versions have no participant when the caller named none. */
export function participantOf(session: Session): { identity: string; name?: string } {
  return session.participant ?? { identity: `participant-${session.id}` }
}

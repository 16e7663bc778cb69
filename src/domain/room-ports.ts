import type { LiveKitAccess } from './assignment.ts'
import type { EndReason, Session, SessionStatus } from './session.ts'

/** What use cases and controllers need of LiveKit, and of PostgreSQL for it. The other ports are in ports.ts. */

/** A session, as far as a token for its room depends on it. */
export type RoomSession = Pick<Session, 'id' | 'epoch' | 'room' | 'agentType'>

/** Mints tokens locally; needs no LiveKit server. */
export interface RoomAccess {
  forParticipant(
    session: RoomSession,
    participant: { identity: string; name?: string },
  ): Promise<LiveKitAccess>
  /** Each attempt has an identity of its own ({@link agentIdentity}). */
  forAgent(session: RoomSession): Promise<LiveKitAccess>
}

/** A room as LiveKit lists it. */
export interface SeenRoom {
  readonly name: string
  /** Participants who are neither agents nor recorders: LiveKit counts no others. */
  readonly people: number
  /** Whether this installation of Greenroom had it created. */
  readonly isOurs: boolean
}

export interface SeenRooms {
  /**
   * Names LiveKit's memory of its rooms (ADR 22). While it stays the same, a room that was there and is not any more was
   * closed. A LiveKit that was restarted without its rooms has another one.
   */
  readonly memory: string
  readonly rooms: ReadonlyMap<string, SeenRoom>
}

/** LiveKit did not answer in time, or refused. */
export class LiveKitError extends Error {
  override readonly name = 'LiveKitError'
}

/** What only a LiveKit server can do. Every call throws a {@link LiveKitError} when LiveKit does not answer in time. */
export interface RoomService {
  /** These rooms, as far as they exist; without names all rooms. */
  look(names?: readonly string[]): Promise<SeenRooms>
  /** Whose connection to the room stands, agents included; nobody if there is no such room. */
  identitiesIn(room: string): Promise<readonly string[]>
  /** Disconnects everybody and removes the room. False if there is no such room. */
  remove(room: string): Promise<boolean>
  /** False if there is no such room, or no such identity in it. */
  removeParticipant(room: string, identity: string): Promise<boolean>
}

/** What LiveKit told by webhook; only what is acted on. */
export interface RoomEvent {
  /** The same in every repetition of one event. */
  readonly id: string
  readonly event: string
  readonly room: string
  /** Of the participant, for events about one. */
  readonly identity: string | undefined
}

/** A live session as the room keeper sees it. */
export interface KeptSession extends RoomSession, Pick<Session, 'pod' | 'leaseMs' | 'roomMemory'> {
  readonly status: SessionStatus
  /** Neither here nor given up: the agent is still awaited. */
  readonly awaitsAgent: boolean
  /** Since it became ACTIVE, by PostgreSQL's clock, ms; 0 before. */
  readonly activeForMs: number
}

/** PostgreSQL for the room keeper. Every change is a compare-and-set and may be repeated. */
export interface RoomLedger {
  /** PENDING and ACTIVE sessions. */
  live(): Promise<readonly KeptSession[]>
  /** These sessions, in whatever status; those that have no record are left out. */
  byIds(ids: readonly string[]): Promise<readonly KeptSession[]>
  /** Notes that the agents of these epochs are in their rooms. Resolves with the ids for which that is new. */
  noteAgents(sessions: readonly RoomSession[]): Promise<readonly string[]>
  /** Notes that people were seen in the rooms of these sessions, under this memory of LiveKit. */
  notePeople(ids: readonly string[], memory: string): Promise<void>
  /** False if the agent has joined meanwhile, or the session is over. */
  markOverdue(session: RoomSession): Promise<boolean>
  /** ACTIVE → ENDING. Resolves with the ids that this call ended. */
  end(sessions: readonly RoomSession[], reason: EndReason): Promise<readonly string[]>
}

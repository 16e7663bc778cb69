import { createAbsenceGuard } from '../domain/absence-guard.ts'
import type { KeptSession, RoomLedger, SeenRooms } from '../domain/room-ports.ts'
import { type EndReason, endReason } from '../domain/session.ts'

interface RoomAbsencesDeps {
  readonly ledger: Pick<RoomLedger, 'notePeople'>
  /** How long the last participant may be gone, ms. */
  readonly leftMs: (agentType: string) => number
}

/** A room that is missing counts as closed when it is still missing after this time: a LiveKit that stops closes its rooms. */
const confirmMs = 2_000

interface Empty {
  /** Monotonic ms. */
  readonly since: number
  readonly isMissing: boolean
}

/** A session that may end, if the guard believes that so many do. */
export interface DueEnd {
  readonly session: KeptSession
  readonly reason: EndReason
}

/**
 * Which sessions nobody talks in any more. Nobody is missed who was never seen: a session counts only if LiveKit's present
 * memory (ADR 22) has shown somebody in its room. Before that its lease alone decides.
 */
export function createRoomAbsences({ ledger, leftMs }: RoomAbsencesDeps) {
  const empties = new Map<string, Empty>()
  const guard = createAbsenceGuard()

  function note(session: KeptSession, { memory, rooms }: SeenRooms, now: number): 'people' | undefined {
    const room = rooms.get(session.room)
    if (room && room.people > 0) {
      empties.delete(session.id)
      return session.roomMemory === memory ? undefined : 'people'
    }
    if (session.roomMemory !== memory) {
      empties.delete(session.id)
      return undefined
    }
    const isMissing = room === undefined
    const before = empties.get(session.id)
    // A room that LiveKit keeps open for its last participant and one that is closed are two different absences.
    if (before?.isMissing !== isMissing)
      empties.set(session.id, { since: isMissing ? now : (before?.since ?? now), isMissing })
    return undefined
  }

  /** When this session is to be ended for its room, monotonic ms. */
  function dueAt({ since, isMissing }: Empty, agentType: string): number {
    return since + (isMissing ? confirmMs : leftMs(agentType))
  }

  return {
    /** Takes in what was seen of these sessions' rooms. */
    async note(sessions: readonly KeptSession[], seen: SeenRooms, now: number): Promise<void> {
      const inUse = sessions.filter((session) => note(session, seen, now) === 'people')
      if (inUse.length > 0)
        await ledger.notePeople(
          inUse.map(({ id }) => id),
          seen.memory,
        )
    },

    /** Drops all sessions but these, which are all that live. */
    keepOnly(live: readonly KeptSession[]): void {
      const ids = new Set(live.map(({ id }) => id))
      for (const id of empties.keys()) if (!ids.has(id)) empties.delete(id)
    },

    /** LiveKit is away: who is missing after that may be on the way back, so their times begin anew. */
    forget: (): void => empties.clear(),

    /** Of these sessions, just seen, those that may end now. */
    due(sessions: readonly KeptSession[], now: number): readonly DueEnd[] {
      return sessions.flatMap((session) => {
        const empty = empties.get(session.id)
        if (!empty || session.status !== 'ACTIVE' || dueAt(empty, session.agentType) > now) return []
        return [{ session, reason: empty.isMissing ? endReason.roomFinished : endReason.roomLeft }]
      })
    },

    /** When the first of these sessions is due, monotonic ms; infinite if none is. */
    nextAt(sessions: readonly KeptSession[]): number {
      const times = sessions.map(({ id, agentType }) => {
        const empty = empties.get(id)
        return empty ? dueAt(empty, agentType) : Number.POSITIVE_INFINITY
      })
      return Math.min(...times)
    },

    guard,
  }
}

export type RoomAbsences = ReturnType<typeof createRoomAbsences>

import { createAbsenceGuard } from '../domain/absence-guard.ts'
import { sessionOfRoom } from '../domain/room-name.ts'
import type { KeptSession, RoomLedger, RoomService, SeenRoom, SeenRooms } from '../domain/room-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'

interface OrphanRoomsDeps {
  readonly rooms: Pick<RoomService, 'remove'>
  readonly ledger: Pick<RoomLedger, 'byIds'>
  readonly metrics: Metrics
  readonly logger: Logger
}

/**
 * Removes the rooms of sessions that have ended, and with them everybody who is still inside or came back with a token
 * that is still good. A room without any record of its session is removed only if this installation had it created, and
 * not if there are many: then the records are missing, as after a restored backup.
 */
export function createOrphanRooms({ rooms, ledger, metrics, logger }: OrphanRoomsDeps) {
  const guard = createAbsenceGuard()

  async function remove(room: string, cause: 'ended' | 'orphan'): Promise<void> {
    if (!(await rooms.remove(room))) return
    metrics.roomsRemoved.inc({ cause })
    if (cause === 'orphan') logger.warn({ room }, 'room without a session was removed')
  }

  return {
    /** One look at all rooms. `live` must have been read after `seen`: a session is there before its room. */
    async sweep(seen: SeenRooms, live: readonly KeptSession[], now: number): Promise<void> {
      const liveRooms = new Set(live.map(({ room }) => room))
      const strangers: { readonly room: SeenRoom; readonly sessionId: string }[] = []
      for (const room of seen.rooms.values()) {
        const sessionId = liveRooms.has(room.name) ? undefined : sessionOfRoom(room.name)
        if (sessionId !== undefined) strangers.push({ room, sessionId })
      }
      const records = new Map(
        (strangers.length === 0 ? [] : await ledger.byIds(strangers.map(({ sessionId }) => sessionId))).map(
          (record) => [record.id, record],
        ),
      )
      for (const { room, sessionId } of strangers) {
        const record = records.get(sessionId)
        if (record?.status === 'ENDED' && record.room === room.name) await remove(room.name, 'ended')
      }
      const missing = strangers
        .filter(({ room, sessionId }) => room.isOurs && !records.has(sessionId))
        .map(({ room }) => room.name)
      const verdict = guard.judge({ live: seen.rooms.size, missing, now })
      metrics.absenceFrozen.set({ what: 'records' }, verdict.frozen ? 1 : 0)
      for (const room of verdict.end) await remove(room, 'orphan')
    },

    /** The rooms of those of these sessions that have ended. */
    async removeEnded(sessions: readonly KeptSession[]): Promise<void> {
      for (const { status, room } of sessions) if (status === 'ENDED') await remove(room, 'ended')
    },
  }
}

export type OrphanRooms = ReturnType<typeof createOrphanRooms>

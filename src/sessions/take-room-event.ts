import type { WakeBus } from '../domain/index-ports.ts'
import { agentOf } from '../domain/names.ts'
import { sessionOfRoom } from '../domain/room-name.ts'
import type { RoomEvent } from '../domain/room-ports.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import { createExpiringMemory } from '../timing/expiring-memory.ts'
import type { JoinSession } from './join-session.ts'

interface TakeRoomEventDeps {
  readonly joinSession: JoinSession
  readonly wakes: Pick<WakeBus, 'publish'>
  readonly metrics: Metrics
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** What becomes of an event. */
type Taken = 'taken' | 'repeated' | 'not-ours' | 'not-needed'

/** LiveKit's signature is good for five minutes, so an event cannot come again later than that. */
const rememberedMs = 10 * 60_000

/** After these the controller looks at the room. All others change nothing that Greenroom keeps. */
const tellingEvents: readonly string[] = [
  'participant_joined',
  'participant_left',
  'participant_connection_aborted',
  'room_finished',
]

/**
 * An event of LiveKit is a hint, never a proof: LiveKit drops events, sends them late, and closes its rooms when it is
 * stopped. So the controller is woken and looks for itself. Only the join of an agent is believed, because LiveKit signed
 * it, it names the session and the epoch, and nothing ends by it.
 */
export function createTakeRoomEvent({ joinSession, wakes, metrics, now }: TakeRoomEventDeps) {
  const seen = createExpiringMemory<string>({ keptMs: rememberedMs, now })

  async function take({ id, event, room, identity }: RoomEvent): Promise<Taken> {
    const sessionId = sessionOfRoom(room)
    if (sessionId === undefined) return 'not-ours'
    if (!tellingEvents.includes(event)) return 'not-needed'
    if (seen.has(id)) return 'repeated'
    const agent = event === 'participant_joined' && identity !== undefined ? agentOf(identity) : undefined
    if (agent?.sessionId === sessionId) await noteJoin(sessionId, agent.epoch)
    wakes.publish({ kind: 'room', sessionId })
    // Only now: an event that failed half-way is taken when LiveKit sends it again.
    seen.set(id, true)
    return 'taken'
  }

  /** An agent of an earlier attempt, or of a session that is over, joined too late to count. */
  async function noteJoin(sessionId: string, epoch: number): Promise<void> {
    try {
      await joinSession(sessionId, epoch)
    } catch (error) {
      const isLate =
        error instanceof GreenroomError &&
        ['GRN_SESSION_NOT_FOUND', 'GRN_STALE_EPOCH', 'GRN_SESSION_OVER'].includes(error.code)
      if (!isLate) throw error
    }
  }

  return async function takeRoomEvent(event: RoomEvent): Promise<Taken> {
    const outcome = await take(event)
    const name = tellingEvents.includes(event.event) ? event.event : 'other'
    metrics.roomEvents.inc({ event: name, outcome })
    return outcome
  }
}

export type TakeRoomEvent = ReturnType<typeof createTakeRoomEvent>

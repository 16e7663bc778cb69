import { createAbsenceGuard } from '../domain/absence-guard.ts'
import type { DeliveryOutcome } from '../domain/cluster-ports.ts'
import { agentIdentity } from '../domain/names.ts'
import type { KeptSession, RoomLedger, RoomService, SeenRooms } from '../domain/room-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'

/** What a pool asks of its agents. */
export interface JoinRule {
  /** How long an agent may take to join, and as long again after it got a fresh token, ms. */
  readonly joinMs: number
  readonly onNotJoined: 'end' | 'mark' | 'ignore'
}

interface JoinWatchdogDeps {
  readonly rooms: Pick<RoomService, 'identitiesIn'>
  readonly ledger: Pick<RoomLedger, 'noteAgents' | 'markOverdue'>
  readonly joinRule: (agentType: string) => JoinRule
  /** Sends the assignment again, with a fresh room token. */
  readonly assignAgain: (session: KeptSession) => Promise<DeliveryOutcome>
  readonly metrics: Metrics
  readonly logger: Logger
}

/** Reads of participants at a time: enough for 1,000 rooms in a second or two, and no burst for LiveKit. */
const readsAtOnce = 8

/**
 * Watches the agents that have not come into their rooms. An agent reports its join itself; where it cannot, LiveKit's
 * webhook or this look at the room tells. An agent that is late gets a fresh token. If that does not help, its session
 * ends or is marked, as its pool says. All times run only while LiveKit answers.
 */
export function createJoinWatchdog(deps: JoinWatchdogDeps) {
  const { rooms, ledger, joinRule, assignAgain, metrics, logger } = deps
  /** When an agent got a fresh token, monotonic ms, by attempt. */
  const retriedAt = new Map<string, number>()
  const guard = createAbsenceGuard()
  const keyOf = ({ id, epoch }: KeptSession) => `${id}/${epoch}`
  const isWatched = ({ awaitsAgent, agentType }: KeptSession) =>
    awaitsAgent && joinRule(agentType).onNotJoined !== 'ignore'

  /** Notes the agents that LiveKit shows in their rooms. Resolves with the sessions whose agent is in none. */
  async function absent(awaited: readonly KeptSession[], seen: SeenRooms): Promise<readonly KeptSession[]> {
    const there: KeptSession[] = []
    const withRoom = awaited.filter(({ room }) => seen.rooms.has(room))
    for (let from = 0; from < withRoom.length; from += readsAtOnce) {
      const group = withRoom.slice(from, from + readsAtOnce)
      const identities = await Promise.all(group.map(({ room }) => rooms.identitiesIn(room)))
      there.push(...group.filter(({ id, epoch }, at) => identities[at]?.includes(agentIdentity(id, epoch))))
    }
    if (there.length > 0) {
      const noted = new Set(await ledger.noteAgents(there))
      for (const { id, agentType } of there)
        if (noted.has(id)) metrics.agentJoins.inc({ agent_type: agentType, outcome: 'joined' })
    }
    const found = new Set(there)
    return awaited.filter((session) => !found.has(session))
  }

  async function retry(session: KeptSession, now: number): Promise<void> {
    retriedAt.set(keyOf(session), now)
    metrics.agentJoins.inc({ agent_type: session.agentType, outcome: 'retried' })
    const outcome = await assignAgain(session)
    logger.warn(
      { sessionId: session.id, epoch: session.epoch, pod: session.pod?.name, outcome: outcome.kind },
      'agent has not joined its room: it gets a fresh token',
    )
  }

  return {
    /**
     * Looks after these sessions. Resolves with those that are to end because their agent never came; the guard has not
     * judged them yet. `answeringForMs`: since when LiveKit answers.
     */
    async look(
      sessions: readonly KeptSession[],
      seen: SeenRooms,
      { now, answeringForMs }: { readonly now: number; readonly answeringForMs: number },
    ): Promise<readonly KeptSession[]> {
      const failed: KeptSession[] = []
      for (const session of await absent(sessions.filter(isWatched), seen)) {
        const { joinMs, onNotJoined } = joinRule(session.agentType)
        const retried = retriedAt.get(keyOf(session))
        if (retried === undefined) {
          if (Math.min(session.activeForMs, answeringForMs) >= joinMs) await retry(session, now)
        } else if (Math.min(now - retried, answeringForMs) >= joinMs) {
          if (onNotJoined === 'end') failed.push(session)
          else if (await ledger.markOverdue(session)) {
            metrics.agentJoins.inc({ agent_type: session.agentType, outcome: 'overdue' })
            logger.warn(
              { sessionId: session.id, epoch: session.epoch },
              'agent did not join its room: marked',
            )
          }
        }
      }
      return failed
    },

    /** When the first of these agents is due, ms from now; infinite when none is awaited. */
    againMs(sessions: readonly KeptSession[], now: number, answeringForMs: number): number {
      const left = sessions.filter(isWatched).map((session) => {
        const { joinMs } = joinRule(session.agentType)
        const retried = retriedAt.get(keyOf(session))
        const passed = retried === undefined ? session.activeForMs : now - retried
        return Math.max(0, joinMs - Math.min(passed, answeringForMs))
      })
      return Math.min(...left)
    },

    /** Forgets all sessions but these, which are all that live. */
    keepOnly(live: readonly KeptSession[]): void {
      const keys = new Set(live.map(keyOf))
      for (const key of retriedAt.keys()) if (!keys.has(key)) retriedAt.delete(key)
    },

    guard,
  }
}

export type JoinWatchdog = ReturnType<typeof createJoinWatchdog>

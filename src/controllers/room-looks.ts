import type { createAbsenceGuard } from '../domain/absence-guard.ts'
import type { DeliveryOutcome } from '../domain/cluster-ports.ts'
import { type KeptSession, LiveKitError, type RoomLedger, type RoomService } from '../domain/room-ports.ts'
import { endReason } from '../domain/session.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { createJoinWatchdog, type JoinRule } from './join-watchdog.ts'
import { createOrphanRooms } from './orphan-rooms.ts'
import { createRoomAbsences, type DueEnd } from './room-absences.ts'

/** What a pool asks of its rooms. */
export interface RoomRule extends JoinRule {
  /** How long the last participant may be gone, ms. */
  readonly leftMs: number
}

export interface RoomLooksDeps {
  readonly rooms: RoomService
  readonly ledger: RoomLedger
  readonly roomRule: (agentType: string) => RoomRule
  /** Sends the assignment again, with a fresh room token. */
  readonly assignAgain: (session: KeptSession) => Promise<DeliveryOutcome>
  /** Tells everybody which sessions entered ENDING. */
  readonly onEnding: (sessionIds: readonly string[]) => void
  readonly metrics: Metrics
  readonly logger: Logger
  readonly monotonicMs: () => number
}

interface Detector {
  /** Label of the metric. */
  readonly what: string
  readonly guard: ReturnType<typeof createAbsenceGuard>
  readonly live: number
}

/**
 * The looks at LiveKit's rooms in one leadership. Modes: LiveKit answers, and a look decides; LiveKit is away, nothing is
 * decided, and what a session may be late for is counted anew when LiveKit is back.
 */
export function createRoomLooks(deps: RoomLooksDeps) {
  const { rooms, ledger, roomRule, onEnding, metrics, logger, monotonicMs } = deps
  const absences = createRoomAbsences({ ledger, leftMs: (agentType) => roomRule(agentType).leftMs })
  const watchdog = createJoinWatchdog({ ...deps, joinRule: roomRule })
  const orphans = createOrphanRooms(deps)
  let state: 'unknown' | 'answers' | 'away' = 'unknown'
  let answeringSince = 0
  /** Detectors that hold their sessions back. */
  const frozen = new Set<string>()

  function noteAnswer(now: number): void {
    if (state !== 'answers') {
      answeringSince = now
      logger.info('LiveKit answers: its rooms are looked after')
    }
    state = 'answers'
    metrics.liveKitAnswers.set(1)
  }

  function noteAway(error: LiveKitError): void {
    if (state !== 'away')
      logger.warn({ err: error }, 'LiveKit does not answer: no session ends because of its room')
    state = 'away'
    absences.forget()
    metrics.liveKitAnswers.set(0)
  }

  /** undefined when LiveKit did not answer: the next look tries again. */
  async function whileThere<T>(look: () => Promise<T>): Promise<T | undefined> {
    try {
      return await look()
    } catch (error) {
      if (!(error instanceof LiveKitError)) throw error
      noteAway(error)
      return undefined
    }
  }

  /** Ends these sessions as far as the guard believes that so many are gone. */
  async function end(due: readonly DueEnd[], { what, guard, live }: Detector): Promise<void> {
    const verdict = guard.judge({ live, missing: due.map(({ session }) => session.id), now: monotonicMs() })
    metrics.absenceFrozen.set({ what }, verdict.frozen ? 1 : 0)
    // Told once: a look comes every few seconds.
    if (verdict.frozen && !frozen.has(what))
      logger.error(
        { what, due: due.length, live },
        'frozen: too many sessions would end because of their rooms',
      )
    if (verdict.frozen) frozen.add(what)
    else frozen.delete(what)
    const believed = due.filter(({ session }) => verdict.end.includes(session.id))
    for (const reason of new Set(believed.map((one) => one.reason))) {
      const sessions = believed.filter((one) => one.reason === reason).map(({ session }) => session)
      const ended = await ledger.end(sessions, reason)
      for (const { id, agentType } of sessions.filter((session) => ended.includes(session.id))) {
        logger.info({ sessionId: id, reason }, 'session ends because of its room')
        if (reason === endReason.agentNotJoined)
          metrics.agentJoins.inc({ agent_type: agentType, outcome: 'failed' })
      }
      onEnding(ended)
    }
  }

  async function lookAtAll(): Promise<number | undefined> {
    const seen = await rooms.look()
    const live = await ledger.live()
    const now = monotonicMs()
    noteAnswer(now)
    const answeringForMs = now - answeringSince
    absences.keepOnly(live)
    watchdog.keepOnly(live)
    await absences.note(live, seen, now)
    await end(absences.due(live, now), { what: 'rooms', guard: absences.guard, live: live.length })
    const notJoined = await watchdog.look(live, seen, { now, answeringForMs })
    const failed = notJoined.map((session) => ({ session, reason: endReason.agentNotJoined }))
    await end(failed, { what: 'agents', guard: watchdog.guard, live: live.length })
    await orphans.sweep(seen, live, now)
    const dueMs = [absences.nextAt(live) - now, watchdog.againMs(live, now, answeringForMs)]
    const soonest = Math.min(...dueMs)
    return Number.isFinite(soonest) ? Math.max(0, soonest) : undefined
  }

  async function lookAtSome(ids: readonly string[]): Promise<number | undefined> {
    const sessions = await ledger.byIds(ids)
    if (sessions.length === 0) return undefined
    const seen = await rooms.look(sessions.map(({ room }) => room))
    const now = monotonicMs()
    const live = sessions.filter(({ status }) => status === 'PENDING' || status === 'ACTIVE')
    await absences.note(live, seen, now)
    await orphans.removeEnded(sessions.filter(({ room }) => seen.rooms.has(room)))
    const soonest = absences.nextAt(live) - now
    return Number.isFinite(soonest) ? Math.max(0, soonest) : undefined
  }

  return {
    /** At all rooms. Resolves with the time after which something is due, ms; undefined if nothing is. */
    all: () => whileThere(lookAtAll),

    /** At the rooms of these sessions, of which something was heard. Notes what is there and ends no session. */
    some: (ids: readonly string[]) => whileThere(() => lookAtSome(ids)),
  }
}

export type RoomLooks = ReturnType<typeof createRoomLooks>

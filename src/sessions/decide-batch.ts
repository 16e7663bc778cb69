import { roomName } from '../domain/room-name.ts'
import type { Session } from '../domain/session.ts'
import type { SessionStore, TogetherOutcome } from '../domain/session-ports.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import { traced } from '../tracing/spans.ts'
import type { TakeSlots, Unserved } from './batch-slots.ts'
import type { Prior } from './commit-slot.ts'
import { endWait } from './open-progress.ts'
import { openRecordOf } from './open-record.ts'
import { createOpenStages } from './open-stages.ts'
import type { Opening } from './opening.ts'
import type { ProjectGate } from './project-gate.ts'
import type { ReleaseSlot } from './release-slot.ts'
import type { RoomTokens } from './room-tokens.ts'
import type { TakenSlot } from './slot-taker.ts'
import type { UndoOpen } from './undo-open.ts'

/** An open that shares its fate with others. */
interface BatchOpening {
  readonly opening: Opening
  readonly prior: Prior
}

interface DecideBatchDeps {
  readonly sessions: Pick<SessionStore, 'commitTogether' | 'reopen'>
  readonly takeSlots: TakeSlots
  readonly releaseSlot: ReleaseSlot
  readonly undoOpen: UndoOpen
  readonly tokens: Pick<RoomTokens, 'beginAgent'>
  readonly gate: Pick<ProjectGate, 'full' | 'passed'>
  readonly metrics: Metrics
  /** Monotonic milliseconds. */
  readonly now: () => number
}

type Undecided = BatchOpening & Unserved

interface Attempt {
  readonly open: Undecided
  readonly slot: TakenSlot
}

type Written = PromiseSettledResult<TogetherOutcome>

const heldBack: TogetherOutcome = { kind: 'held-back' }

/** Claims a pod for each of several opens, durably, or for none of them. No pod has heard of any of them then. */
export function createDecideBatch(deps: DecideBatchDeps) {
  const { sessions, takeSlots, releaseSlot, undoOpen, tokens, gate, metrics, now } = deps
  const stages = createOpenStages(metrics, now)

  async function takePods(missing: readonly Undecided[]): Promise<readonly Attempt[]> {
    const begun = now()
    const slots = await traced('reserve', () => takeSlots(missing))
    const ms = now() - begun
    return missing.flatMap((open, nth): Attempt[] => {
      const slot = slots[nth]
      if (!slot) return []
      const { request, identity, progress } = open.opening
      stages.note(progress, 'reserve', ms - slot.waitedMs)
      if (slot.waited) {
        stages.note(progress, 'wait', slot.waitedMs)
        endWait(progress, now())
      }
      const { agentType } = request
      const room = roomName(agentType, identity.id)
      tokens.beginAgent(progress.tokens, { id: identity.id, epoch: slot.attempt, room, agentType })
      return [{ open, slot }]
    })
  }

  /** Whatever PostgreSQL says, each slot is claimed, dropped or given back afterwards. */
  async function commit(attempts: readonly Attempt[]): Promise<readonly Written[]> {
    const begun = now()
    const written = await traced('commit', () => write(attempts))
    for (const { open } of attempts) stages.note(open.opening.progress, 'commit', now() - begun)
    await Promise.all(
      attempts.map(({ open, slot }, nth) => {
        const result = written[nth]
        const outcome = result?.status === 'fulfilled' ? result.value : heldBack
        return releaseSlot(open.opening, slot.pod.uid, outcome.kind === 'held-back' ? undefined : outcome)
      }),
    )
    return written
  }

  /** New sessions are one statement. Those that failed before start again after it, one by one. */
  function write(attempts: readonly Attempt[]): Promise<readonly Written[]> {
    const recordOf = ({ open, slot }: Attempt) => openRecordOf(open.opening, slot)
    const fresh = attempts.filter(({ open }) => open.prior.kind === 'none')
    const together = sessions.commitTogether(fresh.map(recordOf))
    return Promise.allSettled(
      attempts.map(async (attempt): Promise<TogetherOutcome> => {
        const outcomes = await together
        const { prior } = attempt.open
        if (prior.kind === 'none') return outcomes[fresh.indexOf(attempt)] ?? heldBack
        if (outcomes.some(({ kind }) => kind !== 'committed')) return heldBack
        return sessions.reopen(prior.session, recordOf(attempt))
      }),
    )
  }

  /** Takes what one round of opens came to into `decided`. Resolves with those that need another pod. */
  function sortOut(
    attempts: readonly Attempt[],
    written: readonly Written[],
    decided: Map<Opening, Session>,
  ): readonly Undecided[] | 'overtaken' {
    const refused: { readonly attempt: Attempt; readonly outcome: TogetherOutcome }[] = []
    for (const [nth, attempt] of attempts.entries()) {
      const result = written[nth]
      const outcome = result?.status === 'fulfilled' ? result.value : heldBack
      if (outcome.kind === 'committed') decided.set(attempt.open.opening, outcome.session)
      else refused.push({ attempt, outcome })
    }
    const failed = written.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
    if (refused.some(({ outcome }) => outcome.kind === 'session-exists')) return 'overtaken'
    return refused.map(({ attempt, outcome }) => next(attempt, outcome))
  }

  function next({ open, slot }: Attempt, { kind }: TogetherOutcome): Undecided {
    const { request, progress } = open.opening
    if (kind === 'project-full') throw gate.full(request.projectId)
    // One that was held back has its attempt still.
    if (kind === 'held-back') return open
    if (now() >= progress.deadline)
      throw new GreenroomError('GRN_POOL_EMPTY', undefined, { retryAfterMs: 1_000 })
    progress.tried.add(slot.pod.uid)
    return { ...open, attempt: slot.attempt }
  }

  /**
   * Resolves with the PENDING sessions; undefined when another request of the same key came first, so that its sessions are
   * to be followed. Throws like a single open, and then none of the opens holds a pod.
   */
  return async function decide(
    opens: readonly BatchOpening[],
  ): Promise<ReadonlyMap<Opening, Session> | undefined> {
    const decided = new Map<Opening, Session>()
    const undo = () =>
      Promise.all(
        [...decided].map(([{ context }, session]) => undoOpen(session, { kind: 'release' }, context.logger)),
      )
    try {
      let missing: readonly Undecided[] = opens.map((open) => ({
        ...open,
        attempt: open.prior.session?.epoch ?? 0,
      }))
      // Another round only for pods that somebody else took at the same moment.
      while (missing.length > 0) {
        const attempts = await takePods(missing)
        const rest = sortOut(attempts, await commit(attempts), decided)
        if (rest === 'overtaken') {
          await undo()
          return undefined
        }
        missing = rest
      }
      for (const { opening } of opens) gate.passed(opening.request.projectId)
      return decided
    } catch (error) {
      await undo()
      throw error
    }
  }
}

export type DecideBatch = ReturnType<typeof createDecideBatch>

import type { SlotIndex, WakeBus } from '../domain/index-ports.ts'
import type { Session } from '../domain/session.ts'
import type { CommitOutcome, OpenRecord, SessionStore } from '../domain/session-ports.ts'
import type { Metrics } from '../metrics.ts'
import type { PrepareAhead } from './delivery-ahead.ts'
import { openRecordOf } from './open-record.ts'
import type { Opening } from './opening.ts'
import type { SlotCandidates } from './slot-candidates.ts'
import type { TakenSlot } from './slot-taker.ts'

interface CommitSlotDeps {
  readonly sessions: SessionStore
  readonly index: SlotIndex
  readonly candidates: SlotCandidates
  readonly wakes: WakeBus
  readonly metrics: Pick<Metrics, 'proposalsRefused'>
  readonly prepareAhead: PrepareAhead
}

/** What PostgreSQL says of this session when the next pod is claimed for it. */
export type Prior =
  | { readonly kind: 'none'; readonly session: undefined }
  /** An earlier open under this key failed; the record starts again. */
  | { readonly kind: 'failed'; readonly session: Session }
  /** This open's last pod did not take the session. */
  | { readonly kind: 'undelivered'; readonly session: Session; readonly reason: string }

/** Claims a slot in PostgreSQL. Whatever the outcome, the slot is claimed, dropped or given back afterwards. */
export function createCommitSlot(deps: CommitSlotDeps) {
  const { sessions, index, candidates, wakes, metrics, prepareAhead } = deps

  function claim(prior: Prior, record: OpenRecord): Promise<CommitOutcome> {
    if (prior.kind === 'none') return sessions.commitOpen(record)
    if (prior.kind === 'failed') return sessions.reopen(prior.session, record)
    const { pod, epoch } = record
    return sessions.commitNextAttempt(prior.session, { pod, epoch, reason: prior.reason })
  }

  async function releaseSlot(
    { request: { agentType }, identity: { id } }: Opening,
    podUid: string,
    outcome: CommitOutcome | undefined,
  ): Promise<void> {
    const refused = outcome?.kind === 'pod-taken' || outcome?.kind === 'pod-not-noted'
    const taken = outcome?.kind === 'pod-taken' || isHeldBy(outcome, podUid)
    // A pod without a note may get it yet: the controller writes it when PostgreSQL is back.
    candidates.release(podUid, taken)
    // A commit of unknown outcome may have claimed the slot: to give it back costs somebody one attempt at most.
    if (!taken && !refused) return await index.giveBack(agentType, id, podUid)
    // The reservation goes, so that its lapse does not bring the slot back.
    void index.settle(agentType, id, podUid)
    if (refused) {
      metrics.proposalsRefused.inc({ agent_type: agentType, cause: outcome.kind.replace('pod-', '') })
      void index.drop(agentType, [podUid])
    }
    if (outcome?.kind === 'committed') wakes.publish({ kind: 'claimed', agentType })
  }

  return async function commitSlot(opening: Opening, prior: Prior, slot: TakenSlot): Promise<CommitOutcome> {
    const record = openRecordOf(opening, slot)
    let outcome: CommitOutcome | undefined
    const claimed = claim(prior, record)
    const answered = prepareAhead(opening, record)
    try {
      outcome = await claimed
      return outcome
    } finally {
      answered(outcome?.kind === 'committed')
      await releaseSlot(opening, slot.pod.uid, outcome)
    }
  }
}

export type CommitSlot = ReturnType<typeof createCommitSlot>

/** True also when another replica has committed this very pod for the same key a moment ago. */
function isHeldBy(outcome: CommitOutcome | undefined, podUid: string): boolean {
  if (outcome?.kind === 'committed') return true
  return outcome?.kind === 'session-exists' && outcome.session.pod?.uid === podUid
}

import type { Session } from '../domain/session.ts'
import type { CommitOutcome, OpenRecord, SessionStore } from '../domain/session-ports.ts'
import type { PrepareAhead } from './delivery-ahead.ts'
import { openRecordOf } from './open-record.ts'
import type { Opening } from './opening.ts'
import type { ReleaseSlot } from './release-slot.ts'
import type { TakenSlot } from './slot-taker.ts'

interface CommitSlotDeps {
  readonly sessions: SessionStore
  readonly releaseSlot: ReleaseSlot
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
export function createCommitSlot({ sessions, releaseSlot, prepareAhead }: CommitSlotDeps) {
  function claim(prior: Prior, record: OpenRecord): Promise<CommitOutcome> {
    if (prior.kind === 'none') return sessions.commitOpen(record)
    if (prior.kind === 'failed') return sessions.reopen(prior.session, record)
    const { pod, epoch, opener } = record
    return sessions.commitNextAttempt(prior.session, { pod, epoch, reason: prior.reason, opener })
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

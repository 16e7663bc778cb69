import type { PoolSpec } from '../domain/pool.ts'
import type { CommitOutcome, OpenRecord, SessionStore, SlotIndex, WakeBus } from '../domain/ports.ts'
import type { Session } from '../domain/session.ts'
import type { OpenRequest } from './open-request.ts'
import type { SessionIdentity } from './session-identity.ts'
import type { SlotCandidates } from './slot-candidates.ts'
import type { TakenSlot } from './slot-taker.ts'

interface CommitSlotDeps {
  readonly sessions: SessionStore
  readonly index: SlotIndex
  readonly candidates: SlotCandidates
  readonly wakes: WakeBus
}

/** What the record of a session is made of, besides its slot. */
export interface RecordSource {
  readonly request: OpenRequest
  readonly spec: PoolSpec
  readonly identity: SessionIdentity
}

/** What stands in PostgreSQL when the next pod is claimed. */
export type Prior =
  | { readonly kind: 'none'; readonly session: undefined }
  /** An earlier open under this key failed; the record starts again. */
  | { readonly kind: 'failed'; readonly session: Session }
  /** This open's last pod did not take the session. */
  | { readonly kind: 'undelivered'; readonly session: Session; readonly reason: string }

/** Claims a slot in PostgreSQL. Whatever comes of it, the slot is claimed, dropped or given back afterwards. */
export function createCommitSlot({ sessions, index, candidates, wakes }: CommitSlotDeps) {
  function statement(prior: Prior, record: OpenRecord): Promise<CommitOutcome> {
    if (prior.kind === 'none') return sessions.commitOpen(record)
    if (prior.kind === 'failed') return sessions.reopen(prior.session, record)
    const { pod, epoch } = record
    return sessions.commitNextAttempt(prior.session, { pod, epoch, reason: prior.reason })
  }

  async function passOn(
    source: RecordSource,
    podUid: string,
    outcome: CommitOutcome | undefined,
  ): Promise<void> {
    const { agentType } = source.request
    const { id } = source.identity
    const taken = outcome?.kind === 'pod-taken' || isHeldBy(outcome, podUid)
    candidates.release(podUid, taken)
    // A commit whose outcome is unknown may have claimed the slot: giving it back costs somebody an attempt at most.
    if (!taken) return await index.giveBack(agentType, id, podUid)
    // Without the reservation the slot cannot come back by lapsing.
    void index.settle(agentType, id, podUid)
    if (outcome?.kind === 'pod-taken') void index.drop(agentType, [podUid])
    if (outcome?.kind === 'committed') wakes.publish({ kind: 'claimed', agentType })
  }

  return async function commitSlot(
    source: RecordSource,
    prior: Prior,
    slot: TakenSlot,
  ): Promise<CommitOutcome> {
    let outcome: CommitOutcome | undefined
    try {
      outcome = await statement(prior, recordOf(source, slot))
      return outcome
    } finally {
      await passOn(source, slot.pod.uid, outcome)
    }
  }
}

export type CommitSlot = ReturnType<typeof createCommitSlot>

/** Also when another replica has committed this very pod for the same key a moment ago. */
function isHeldBy(outcome: CommitOutcome | undefined, podUid: string): boolean {
  if (outcome?.kind === 'committed') return true
  return outcome?.kind === 'session-exists' && outcome.session.pod?.uid === podUid
}

function recordOf(source: RecordSource, slot: TakenSlot): OpenRecord {
  return { ...commonRecord(source), warm: !slot.waited, epoch: slot.attempt, pod: slot.pod }
}

/** Its LiveKit room: it holds the session id, for LiveKit has one namespace of rooms for everybody. */
export function roomOf({ request, identity }: Pick<RecordSource, 'request' | 'identity'>): string {
  return `${request.agentType}-${identity.id}`
}

/** What a session is before it has a pod. */
export function coldRecordOf(source: RecordSource, epoch: number) {
  return { ...commonRecord(source), epoch }
}

function commonRecord({ request, spec, identity }: RecordSource): Omit<OpenRecord, 'pod' | 'warm' | 'epoch'> {
  const room = roomOf({ request, identity })
  const { minSeconds, maxSeconds, defaultSeconds, heldBy } = spec.lease
  const leaseSeconds = Math.min(maxSeconds, Math.max(minSeconds, request.leaseSeconds ?? defaultSeconds))
  return {
    id: identity.id,
    fingerprint: identity.fingerprint,
    agentType: request.agentType,
    projectId: request.projectId,
    roomName: request.roomName ?? room,
    room,
    participant: request.participant,
    metadata: request.metadata,
    leaseMs: leaseSeconds * 1_000,
    leaseHeldBy: heldBy,
    maxSessionMs: spec.maxSessionSeconds * 1_000,
  }
}

import { randomUUID } from 'node:crypto'
import { leaseHolderOf } from '../domain/lease-holder.ts'
import { randomParticipantIdentity } from '../domain/participant-identity.ts'
import { roomName } from '../domain/room-name.ts'
import type { ColdRecord, OpenRecord } from '../domain/session-ports.ts'
import type { Opening } from './opening.ts'
import type { TakenSlot } from './slot-taker.ts'

type RecordSource = Pick<Opening, 'request' | 'spec' | 'identity' | 'context'>
type OpenSource = RecordSource & Pick<Opening, 'opener'>

/** The session that is written when a slot is claimed for it. */
export function openRecordOf(source: OpenSource, slot: TakenSlot): OpenRecord {
  const { opener } = source
  return { ...commonRecord(source), warm: !slot.waited, epoch: slot.attempt, pod: slot.pod, opener }
}

type ColdFacts = Pick<ColdRecord, 'epoch' | 'heldByReplica' | 'pendingMs'>

/** The session that is written before it has a pod. */
export function coldRecordOf(source: RecordSource, facts: ColdFacts): ColdRecord {
  return {
    ...commonRecord(source),
    ...facts,
    adoptable: source.request.secrets === undefined,
    mostWaiting: source.spec.coldStart.max,
  }
}

function commonRecord({
  request,
  spec,
  identity,
  context,
}: RecordSource): Omit<OpenRecord, 'pod' | 'warm' | 'epoch' | 'opener'> {
  const room = roomName(request.agentType, identity.id)
  const { minSeconds, maxSeconds, defaultSeconds, heldBy } = spec.lease
  const leaseSeconds = Math.min(maxSeconds, Math.max(minSeconds, request.leaseSeconds ?? defaultSeconds))
  return {
    id: identity.id,
    fingerprint: identity.fingerprint,
    agentType: request.agentType,
    projectId: request.projectId,
    roomName: request.roomName ?? room,
    room,
    // Written down, so that a later token is for the same participant.
    participant: request.participant ?? { identity: randomParticipantIdentity(randomUUID()) },
    metadata: request.metadata,
    leaseMs: leaseSeconds * 1_000,
    leaseHeldBy: leaseHolderOf(heldBy, identity.fingerprint !== undefined),
    maxSessionMs: spec.maxSessionSeconds * 1_000,
    traceparent: context.trace?.traceparent,
  }
}

import type { LeaseHolder } from './lease-holder.ts'
import type { Participant } from './session-request.ts'

/** The caller's record. Only this table allows a change of status; every SQL transition is a compare-and-set that follows it. */
export const sessionTransitions = {
  PENDING: ['ACTIVE', 'ENDING', 'ENDED'],
  ACTIVE: ['ENDING'],
  ENDING: ['ENDED'],
  // After a failed open its key may be used again: that starts the same record anew, with a higher epoch.
  ENDED: ['PENDING'],
} as const satisfies Record<string, readonly string[]>

export type SessionStatus = keyof typeof sessionTransitions
export const sessionStatuses = Object.keys(sessionTransitions) as SessionStatus[]

export function canSessionMove(from: SessionStatus, to: SessionStatus): boolean {
  return (sessionTransitions[from] as readonly SessionStatus[]).includes(to)
}

/** Why a session ended. `failed:` means that no agent served it. */
export const endReason = {
  caller: 'ended:caller',
  agent: 'ended:agent',
  /** Its caller hung up before the answer was written, and had no Idempotency-Key to find it again. */
  unanswered: 'ended:unanswered',
  leaseLapsed: 'lapsed:lease',
  maxDuration: 'lapsed:max-duration',
  podDied: 'pod:died',
  podDeleted: 'pod:deleted',
  nodeLost: 'pod:node-lost',
  deliveryFailed: 'failed:delivery',
  poolEmpty: 'failed:pool-empty',
  abandoned: 'failed:abandoned',
  /** It was to be opened with others or not at all, and one of them could not be. */
  batchFailed: 'failed:batch',
  /** Its pod took the session, but the agent never came into the room. */
  agentNotJoined: 'failed:agent-not-joined',
  /** Somebody closed the room, at LiveKit. */
  roomFinished: 'room:finished',
  /** The last participant left and nobody came back in time. */
  roomLeft: 'room:left',
} as const
export type EndReason = (typeof endReason)[keyof typeof endReason]

/**
 * Whether the open of this session may be tried again under the same Idempotency-Key. One that was ACTIVE once may not:
 * its caller was told of a pod, and a session never changes its pod after that.
 */
export function isRetryableFailure({
  endReason: reason,
  activeAt,
}: Pick<Session, 'endReason' | 'activeAt'>): boolean {
  return activeAt === undefined && (reason?.startsWith('failed:') ?? false)
}

/**
 * Whether the caller may know of a session that is still PENDING: its open may have answered on the acknowledgement of the
 * pod (ADR 45). Only that open may still take the session to another pod. For everybody else it is as good as ACTIVE.
 */
export function mayBeTold({ status, opener }: Pick<Session, 'status' | 'opener'>): boolean {
  return status === 'PENDING' && opener !== undefined
}

/** Within this time after its claim every session that may have been told is settled, or its pod cannot be asked. */
export const settledWithinMs = 15_000

/** Told by the credential of a request: an API key is a caller's, a session token an agent's. */
export type LeaseParty = 'caller' | 'agent'

/** The pod that serves a session, as it was when it was claimed. */
export interface SessionPod {
  readonly uid: string
  readonly name: string
  readonly ip: string
}

/** A row of `sessions`. Times are epoch ms of PostgreSQL's clock. */
export interface Session {
  readonly id: string
  readonly status: SessionStatus
  readonly endReason: string | undefined
  readonly agentType: string
  readonly projectId: string | undefined
  /** The caller's alias. */
  readonly roomName: string
  /** The LiveKit room. It contains the session id, because all rooms of a LiveKit server share one namespace. */
  readonly room: string
  readonly participant: Participant | undefined
  readonly metadata: Record<string, unknown> | undefined
  /** Keyed hash of the request body; undefined without an Idempotency-Key. */
  readonly fingerprint: string | undefined
  readonly epoch: number
  /** undefined while a cold open waits for its pod. */
  readonly pod: SessionPod | undefined
  /** The replica that takes care of a cold open; undefined for other sessions. */
  readonly heldByReplica: string | undefined
  /** Whether another replica may go on with a cold open. */
  readonly adoptable: boolean
  readonly leaseMs: number
  /** As its pool had it when the session was opened. */
  readonly leaseHeldBy: LeaseHolder
  readonly leaseExpiresAt: number
  readonly createdAt: number
  /** When the pod of this epoch was claimed; undefined: there is none, or an older version claimed it. */
  readonly claimedAt?: number | undefined
  /** The open that claimed the pod of this epoch and may answer before the row is ACTIVE: {@link mayBeTold}. */
  readonly opener?: string | undefined
  readonly activeAt: number | undefined
  readonly endingAt: number | undefined
  readonly endedAt: number | undefined
  /** The agent of this epoch was in its room for the first time. */
  readonly agentJoinedAt: number | undefined
  /** The agent had not joined by then, and its type asks only to mark that. */
  readonly agentOverdueAt: number | undefined
  /** Somebody who is not an agent was seen in the room for the first time. */
  readonly participantJoinedAt: number | undefined
  /** The memory of LiveKit that last showed somebody in the room (ADR 22). */
  readonly roomMemory: string | undefined
  /** Why the agent finished, in its own words. */
  readonly endDetail: string | undefined
  /** The trace of its open; undefined when there was none. */
  readonly traceparent?: string | undefined
}

/**
 * Whether a renewal by this party extends the lease. An agent never extends a PENDING session: the replica that should
 * have made it ACTIVE may be lost, and then the agent would renew for ever a session that no caller knows.
 */
export function extendsLease(
  by: LeaseParty,
  { leaseHeldBy, status }: Pick<Session, 'leaseHeldBy' | 'status'>,
): boolean {
  if (by === 'agent' && status === 'PENDING') return false
  return leaseHeldBy === 'both' || leaseHeldBy === by
}

/** A caller renews after a third of the lease, so that two renewals may fail before it lapses. */
export function renewAfterMs(leaseMs: number): number {
  return Math.floor(leaseMs / 3)
}

/** What a session has before anybody comes into its room. */
export const beforeTheRoom = {
  agentJoinedAt: undefined,
  agentOverdueAt: undefined,
  participantJoinedAt: undefined,
  roomMemory: undefined,
  endDetail: undefined,
} as const satisfies Partial<Session>

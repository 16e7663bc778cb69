import type { LeaseHolder } from '../domain/lease-holder.ts'
import type { Session, SessionPod, SessionStatus } from '../domain/session.ts'
import type { Participant } from '../domain/session-request.ts'

/** A row of `sessions` as pg returns {@link sessionColumns}. Times are epoch ms as double precision. */
export interface SessionRow {
  id: string
  status: SessionStatus
  end_reason: string | null
  agent_type: string
  project_id: string | null
  room_name: string
  room: string
  participant: Participant | null
  metadata: Record<string, unknown> | null
  fingerprint: string | null
  epoch: number
  pod_uid: string | null
  pod_name: string | null
  pod_ip: string | null
  held_by: string | null
  adoptable: boolean
  lease_ms: number
  lease_held_by: LeaseHolder
  lease_expires_ms: number
  created_ms: number
  active_ms: number | null
  ending_ms: number | null
  ended_ms: number | null
  agent_joined_ms: number | null
  agent_overdue_ms: number | null
  participant_joined_ms: number | null
  room_memory: string | null
  end_detail: string | null
  traceparent: string | null
  opener: string | null
  claimed_ms: number | null
}

/** A timestamp as milliseconds of the epoch. */
export function ms(column: string, alias: string): string {
  return `(extract(epoch FROM ${column}) * 1000)::float8 AS ${alias}`
}

/** In an UPDATE that ends a session: what its caller may have been told stands (`mayBeTold` in domain/session.ts). */
export const activeAtAsTold =
  'active_at = CASE WHEN opener IS NULL THEN active_at ELSE coalesce(active_at, claimed_at) END'

/** For a table or CTE named `s`. */
export const sessionColumns = columnsWith('s.metadata')

/** The same without the metadata, of which a session may have 256 KiB: for statements that read many sessions. */
export const sessionFacts = columnsWith('NULL::jsonb AS metadata')

function columnsWith(metadata: string): string {
  return [
    `s.id, s.status, s.end_reason, s.agent_type, s.project_id, s.room_name, s.room, s.participant, ${metadata}`,
    's.fingerprint, s.epoch, s.pod_uid, s.pod_name, s.pod_ip, s.lease_ms, s.lease_held_by, s.held_by, s.adoptable',
    ms('s.lease_expires_at', 'lease_expires_ms'),
    ms('s.created_at', 'created_ms'),
    ms('s.active_at', 'active_ms'),
    ms('s.ending_at', 'ending_ms'),
    ms('s.ended_at', 'ended_ms'),
    ms('s.agent_joined_at', 'agent_joined_ms'),
    ms('s.agent_overdue_at', 'agent_overdue_ms'),
    ms('s.participant_joined_at', 'participant_joined_ms'),
    's.room_memory, s.end_detail, s.traceparent, s.opener',
    ms('s.claimed_at', 'claimed_ms'),
  ].join(', ')
}

/** The three columns are null together; the table says so. */
function podFrom({ pod_uid: uid, pod_name: name, pod_ip: ip }: SessionRow): SessionPod | undefined {
  return uid === null || name === null || ip === null ? undefined : { uid, name, ip }
}

export function sessionFrom(row: SessionRow): Session {
  return {
    id: row.id,
    status: row.status,
    endReason: row.end_reason ?? undefined,
    agentType: row.agent_type,
    projectId: row.project_id ?? undefined,
    roomName: row.room_name,
    room: row.room,
    participant: row.participant ?? undefined,
    metadata: row.metadata ?? undefined,
    fingerprint: row.fingerprint ?? undefined,
    epoch: row.epoch,
    pod: podFrom(row),
    heldByReplica: row.held_by ?? undefined,
    adoptable: row.adoptable,
    leaseMs: row.lease_ms,
    leaseHeldBy: row.lease_held_by,
    leaseExpiresAt: row.lease_expires_ms,
    createdAt: row.created_ms,
    activeAt: row.active_ms ?? undefined,
    endingAt: row.ending_ms ?? undefined,
    endedAt: row.ended_ms ?? undefined,
    agentJoinedAt: row.agent_joined_ms ?? undefined,
    agentOverdueAt: row.agent_overdue_ms ?? undefined,
    participantJoinedAt: row.participant_joined_ms ?? undefined,
    roomMemory: row.room_memory ?? undefined,
    endDetail: row.end_detail ?? undefined,
    traceparent: row.traceparent ?? undefined,
    opener: row.opener ?? undefined,
    claimedAt: row.claimed_ms ?? undefined,
  }
}

import { beforeTheRoom, type Session } from '../domain/session.ts'
import type { OpenRecord } from '../domain/session-ports.ts'
import { createGroupCommit } from './group-commit.ts'
import {
  failsAll,
  groupAnswerWithinMs,
  groupPatienceMs,
  lockTimeoutMs,
  type Postgres,
  runStatement,
} from './postgres-client.ts'
import { isPoolPod } from './postgres-pool-pods.ts'
import { lockUsage } from './project-usage.ts'

/** $1: the opens, as JSON; $2: their projects, whose rows are locked first. */
export const openInput = `input AS (
    SELECT * FROM json_to_recordset($1::json) AS input (id uuid, "agentType" text, "projectId" text, "roomName" text,
      room text, participant jsonb, metadata jsonb, epoch integer, "podUid" text, "podName" text, "podIp" text,
      warm boolean, "leaseMs" integer, "leaseHeldBy" text, "maxSessionMs" integer,
      fingerprint text, traceparent text, opener uuid, nth integer)
  ), ${lockUsage('$2::text[]')}`

/** Writes the session of each row of `claim`. */
export const openedSessions = `s AS (
    INSERT INTO sessions (id, status, agent_type, project_id, room_name, room, participant, metadata, epoch, pod_uid,
      pod_name, pod_ip, warm, lease_ms, lease_held_by, lease_expires_at, max_ends_at, fingerprint, traceparent,
      opener, claimed_at)
    SELECT id, 'PENDING', "agentType", "projectId", "roomName", room, participant, metadata, epoch, "podUid",
      "podName", "podIp", warm, "leaseMs", "leaseHeldBy", now() + "leaseMs" * interval '1 ms',
      now() + "maxSessionMs" * interval '1 ms', fingerprint, traceparent,
      opener, now()
    FROM input JOIN claim ON claim.session_id = input.id
    ORDER BY id
    RETURNING id, (extract(epoch FROM created_at) * 1000)::float8 AS created_ms,
      (extract(epoch FROM lease_expires_at) * 1000)::float8 AS lease_expires_ms
  )`

/**
 * Opens that arrive together are one statement and one fsync. A pod or a session that is there already, and a pod that
 * the controller did not note for the type, refuses only its own open; so does a project that has as many sessions as it
 * may, of whose opens in the group the first ones get what room there is. After any other failure the opens are tried one by one, so that none fails for another: two opens under one
 * key at the same moment, a value that PostgreSQL refuses, a pod that is locked for long.
 *
 * Every group takes its locks in one order, projects, pods by UID and then sessions by id, so that two groups with the same
 * candidates never wait in a circle. The sort under `s` reads all of `claim` before the first session is written.
 *
 * A scalar subquery finds each session by its key; NOT EXISTS became a join that read the whole table.
 */
const openSql = `
  WITH ${openInput}, fit AS MATERIALIZED (
    SELECT input.*, spare, row_number() OVER (PARTITION BY "projectId" ORDER BY nth) AS place
    FROM input LEFT JOIN usage ON project_id = "projectId"
    WHERE (SELECT true FROM sessions WHERE sessions.id = input.id) IS NULL
      AND ${isPoolPod('input."podUid"', 'input."agentType"')}
  ), claim AS (
    INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch)
    SELECT "podUid", 'session', id, epoch FROM fit
    WHERE spare IS NULL OR place <= spare
    ORDER BY "podUid"
    ON CONFLICT (pod_uid) DO NOTHING
    RETURNING session_id
  ), ${openedSessions}
  SELECT id, created_ms, lease_expires_ms FROM s
  UNION ALL SELECT id, NULL, NULL FROM fit WHERE place > spare`

/** Beyond this a statement grows faster than the fsync it saves; measured with `npm run bench -- claims`. */
const mostOpens = 64
const inFlight = 2
/** Half of what an open may take, so that a statement sent then still has its own time-out. */
const maxWaitMs = 900

export interface OpenedRow {
  id: string
  /** Null when it was not opened. */
  created_ms: number | null
  lease_expires_ms: number | null
}

/** The PENDING session; undefined when the pod cannot be claimed or the session is there already. */
export type OpenedSession = Session | 'project-full' | undefined

type CommitOpenGroup = (record: OpenRecord) => Promise<OpenedSession>

export function createOpenGroup({ durable }: Pick<Postgres, 'durable'>): CommitOpenGroup {
  async function run(records: readonly OpenRecord[]): Promise<readonly OpenedSession[]> {
    const values = openValues(records)
    const rows = await runStatement<OpenedRow>(durable, { name: 'sessions-open', text: openSql, values })
    const opened = new Map(rows.map((row) => [row.id, row]))
    return records.map((record) => {
      const row = opened.get(record.id)
      return row && (pendingSession(record, row) ?? 'project-full')
    })
  }

  return createGroupCommit({
    run,
    failsAll,
    maxSize: mostOpens,
    maxInFlight: inFlight,
    patienceMs: groupPatienceMs,
    maxWaitMs,
    answerWithinMs: groupAnswerWithinMs,
    leastLeftMs: lockTimeoutMs,
  })
}

/** Of {@link openInput}. */
export function openValues(records: readonly OpenRecord[]): unknown[] {
  const projectIds = new Set(records.flatMap(({ projectId }) => projectId ?? []))
  return [JSON.stringify(records.map(inputOf)), [...projectIds]]
}

function inputOf({ pod, ...record }: OpenRecord, nth: number): object {
  return { ...record, nth, podUid: pod.uid, podName: pod.name, podIp: pod.ip }
}

/** What a read of the row would give. Most of it is what the caller sent, so it is not read back. */
export function pendingSession(
  { pod, warm: _warm, maxSessionMs: _max, ...record }: OpenRecord,
  { created_ms: createdAt, lease_expires_ms: leaseExpiresAt }: OpenedRow,
): Session | undefined {
  if (createdAt === null || leaseExpiresAt === null) return undefined
  return {
    ...beforeTheRoom,
    ...record,
    status: 'PENDING',
    endReason: undefined,
    pod: { uid: pod.uid, name: pod.name, ip: pod.ip },
    heldByReplica: undefined,
    adoptable: false,
    leaseExpiresAt,
    createdAt,
    // The claim and the record are one statement.
    claimedAt: createdAt,
    activeAt: undefined,
    endingAt: undefined,
    endedAt: undefined,
  }
}

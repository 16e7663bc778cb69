import type { KeptSession, RoomLedger, RoomSession } from '../domain/room-ports.ts'
import type { SessionStatus } from '../domain/session.ts'
import { databaseError, type Postgres } from './postgres-client.ts'

interface KeptRow {
  id: string
  status: SessionStatus
  epoch: number
  agent_type: string
  room: string
  pod_uid: string | null
  pod_name: string | null
  pod_ip: string | null
  lease_ms: number
  room_memory: string | null
  awaits_agent: boolean
  active_for_ms: number
}

const keptColumns = `
  id, status, epoch, agent_type, room, pod_uid, pod_name, pod_ip, lease_ms, room_memory,
  status = 'ACTIVE' AND agent_joined_at IS NULL AND agent_overdue_at IS NULL AS awaits_agent,
  coalesce(extract(epoch FROM now() - active_at) * 1000, 0)::float8 AS active_for_ms`

const liveSql = `SELECT ${keptColumns} FROM sessions WHERE status IN ('PENDING', 'ACTIVE')`
const byIdsSql = `SELECT ${keptColumns} FROM sessions WHERE id = ANY ($1::uuid[])`

/** In the order of ids, like every statement that changes several sessions. */
const wantedEpochs = `
  wanted AS (
    SELECT sessions.id FROM sessions JOIN unnest($1::uuid[], $2::integer[]) AS asked (id, epoch) USING (id, epoch)`

const noteAgentsSql = `
  WITH ${wantedEpochs}
    WHERE status IN ('PENDING', 'ACTIVE') AND agent_joined_at IS NULL
    ORDER BY id FOR NO KEY UPDATE OF sessions)
  UPDATE sessions SET agent_joined_at = now() FROM wanted WHERE sessions.id = wanted.id
  RETURNING sessions.id`

const notePeopleSql = `
  UPDATE sessions SET room_memory = $2, participant_joined_at = coalesce(participant_joined_at, now())
  WHERE id IN (
    SELECT id FROM sessions WHERE id = ANY ($1::uuid[]) AND status IN ('PENDING', 'ACTIVE')
    ORDER BY id FOR NO KEY UPDATE)`

const markOverdueSql = `
  UPDATE sessions SET agent_overdue_at = now()
  WHERE id = $1 AND epoch = $2 AND status = 'ACTIVE' AND agent_joined_at IS NULL AND agent_overdue_at IS NULL
  RETURNING id`

const endSql = `
  WITH ${wantedEpochs}
    WHERE status = 'ACTIVE'
    ORDER BY id FOR NO KEY UPDATE OF sessions)
  UPDATE sessions SET status = 'ENDING', ending_at = now(), end_reason = $3
  FROM wanted WHERE sessions.id = wanted.id
  RETURNING sessions.id`

/** `sessions` for the keeper of their LiveKit rooms. Not flushed where a crash loses only what LiveKit shows again. */
export function createPostgresRoomLedger({ durable, relaxed }: Postgres): RoomLedger {
  async function rows<T extends object>(
    pool: Postgres['durable'],
    text: string,
    values: unknown[],
  ): Promise<T[]> {
    try {
      return (await pool.query<T>(text, values)).rows
    } catch (error) {
      throw databaseError(error)
    }
  }
  const idsOf = async (pool: Postgres['durable'], text: string, values: unknown[]) =>
    (await rows<{ id: string }>(pool, text, values)).map(({ id }) => id)
  const epochsOf = (sessions: readonly RoomSession[]) => [
    sessions.map(({ id }) => id),
    sessions.map(({ epoch }) => epoch),
  ]

  return {
    live: async () => (await rows<KeptRow>(durable, liveSql, [])).map(keptFrom),
    byIds: async (ids) => (await rows<KeptRow>(durable, byIdsSql, [ids])).map(keptFrom),
    noteAgents: (sessions) => idsOf(relaxed, noteAgentsSql, epochsOf(sessions)),
    async notePeople(ids, memory) {
      await rows(relaxed, notePeopleSql, [ids, memory])
    },
    markOverdue: async ({ id, epoch }) => (await idsOf(relaxed, markOverdueSql, [id, epoch])).length > 0,
    end: (sessions, reason) => idsOf(durable, endSql, [...epochsOf(sessions), reason]),
  }
}

function keptFrom(row: KeptRow): KeptSession {
  const { pod_uid: uid, pod_name: name, pod_ip: ip } = row
  return {
    id: row.id,
    status: row.status,
    epoch: row.epoch,
    agentType: row.agent_type,
    room: row.room,
    pod: uid === null || name === null || ip === null ? undefined : { uid, name, ip },
    leaseMs: row.lease_ms,
    roomMemory: row.room_memory ?? undefined,
    awaitsAgent: row.awaits_agent,
    activeForMs: row.active_for_ms,
  }
}

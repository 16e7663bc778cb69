import type { PodLife } from '../../src/domain/pod-life.ts'
import type { PodLifeNote } from '../../src/domain/pool-ports.ts'
import type { Postgres } from '../../src/stores/postgres-client.ts'
import { newId } from './open-records.ts'

/** What a controller notes of a pod that it has just made. */
export function newLife(podUid: string, overrides: Partial<PodLifeNote> = {}): PodLifeNote {
  return {
    podUid,
    agentType: 'echo-agent',
    createdAt: Math.floor(Date.now() / 1_000) * 1_000,
    createdAgoMs: 0,
    readyAgoMs: undefined,
    deletingAt: undefined,
    goneAgoMs: undefined,
    goneInexactMs: 0,
    ...overrides,
  }
}

const time = (epochMs: number | undefined) => (epochMs === undefined ? null : new Date(epochMs).toISOString())

/** Writes lives as the controller leaves them: settled, or with their claim and session if the pod or the session goes on. */
export async function writeLives(
  { durable }: Pick<Postgres, 'durable'>,
  lives: readonly PodLife[],
): Promise<void> {
  for (const [at, { agentType, createdAt, readyAt, goneAt, inexactMs, use }] of lives.entries()) {
    const podUid = `life-${at}`
    const settled = goneAt !== undefined && (use === undefined || use.releasedAt !== undefined)
    const id = newId()
    const copied =
      settled && use
        ? [id, use.projectId, time(use.claimedAt), time(use.releasedAt)]
        : [null, null, null, null]
    await durable.query(
      `INSERT INTO pod_lives (pod_uid, agent_type, created_at, ready_at, gone_at, gone_inexact_ms, settled, session_id, project_id, claimed_at, released_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [podUid, agentType, time(createdAt), time(readyAt), time(goneAt), inexactMs, settled, ...copied],
    )
    if (settled || !use) continue
    await durable.query(
      `INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch, at) VALUES ($1, 'session', $2, 1, $3)`,
      [podUid, id, time(use.claimedAt)],
    )
    const ended = use.releasedAt !== undefined
    await durable.query(
      `INSERT INTO sessions (id, status, end_reason, agent_type, project_id, room_name, room, epoch, pod_uid, pod_name, pod_ip,
         warm, lease_ms, lease_expires_at, max_ends_at, active_at, ended_at)
       VALUES ($1, $2, $3, $4, $5, 'r', 'r', 1, $6, 'n', 'i', true, 1, now(), now(), now(), $7)`,
      [
        id,
        ended ? 'ENDED' : 'ACTIVE',
        ended ? 'ended:caller' : null,
        agentType,
        use.projectId ?? null,
        podUid,
        time(use.releasedAt),
      ],
    )
  }
}

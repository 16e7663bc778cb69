import type { PoolClient, QueryConfig, QueryResultRow } from 'pg'
import type {
  LedgerReader,
  SeenClaim,
  SeenLedger,
  SeenSession,
} from '../domain/invariants/invariant-snapshot.ts'
import type { SessionStatus } from '../domain/session.ts'
import type { ClaimPurpose } from '../domain/slot.ts'
import { databaseError, type Postgres } from './postgres-client.ts'
import { miscountsSql } from './project-usage.ts'
import { ms } from './session-row.ts'

interface SessionFacts {
  id: string
  status: SessionStatus
  agent_type: string
  epoch: number
  pod_uid: string | null
  lease_expires_ms: number
  may_be_told: boolean
  created_ms: number
  active_ms: number | null
  ending_ms: number | null
  ended_ms: number | null
}

interface ClaimFacts {
  pod_uid: string
  purpose: ClaimPurpose
  session_id: string | null
  epoch: number | null
  claimed_ms: number
}

interface NotedFacts {
  pod_uid: string
  agent_type: string
}

/** Nobody waits for this answer, but an open may wait for the connection, so it is not held for long. */
const statementTimeoutMs = 4_000

/** Rows of one kind in one look, newest first: more than any pool has. */
const mostRows = { live: 50_000, ended: 5_000, presentClaims: 30_000 }
/** A double claim shows while both sessions are remembered here, and for as long as its pod is there. */
const endedWithin = '10 minutes'

const sessionColumns = [
  'id, status, agent_type, epoch, pod_uid',
  "status = 'PENDING' AND opener IS NOT NULL AS may_be_told",
  ms('lease_expires_at', 'lease_expires_ms'),
  ms('created_at', 'created_ms'),
  ms('active_at', 'active_ms'),
  ms('ending_at', 'ending_ms'),
  ms('ended_at', 'ended_ms'),
].join(', ')
const claimColumns = `pod_uid, purpose, session_id, epoch, ${ms('at', 'claimed_ms')}`

// The partial indexes sessions_live_pod and sessions_ended hold just these.
const sessionsSql = `
  (SELECT ${sessionColumns} FROM sessions WHERE status IN ('PENDING', 'ACTIVE', 'ENDING')
    ORDER BY created_at DESC LIMIT ${mostRows.live})
  UNION ALL
  (SELECT ${sessionColumns} FROM sessions WHERE status = 'ENDED' AND ended_at > now() - interval '${endedWithin}'
    ORDER BY ended_at DESC LIMIT ${mostRows.ended})`

// And claims of pods that are not known to be gone: a session's second claim is among them. UNION drops what is there twice
// by hashing; NOT EXISTS compared each claim with each pod, which took 5 s for 2,000 pods beside 100,000 claims.
const claimsSql = `
  SELECT ${claimColumns} FROM pod_claims WHERE pod_uid = ANY ($1::text[])
  UNION
  (SELECT ${claimColumns} FROM pod_claims WHERE gone_at IS NULL ORDER BY at DESC LIMIT ${mostRows.presentClaims})`

// Nothing is concluded while pods of an older version may be in use: see pool_pod_notes.
const notedSql = 'SELECT pod_uid, agent_type FROM pool_pods WHERE pod_uid = ANY ($1::text[])'
const completeSql = 'SELECT complete_since IS NOT NULL AS complete FROM pool_pod_notes WHERE singleton'

interface MiscountFacts {
  project_id: string
  counted: number
  sessions: number
}

/** Reads what the invariants are about in one REPEATABLE READ, READ ONLY transaction. */
export function createPostgresInvariantReader({ durable }: Pick<Postgres, 'durable'>): LedgerReader {
  return {
    async read(podUids) {
      let client: PoolClient | undefined
      try {
        client = await durable.connect()
        const ledger = await readLedger(client, podUids)
        client.release()
        return ledger
      } catch (error) {
        // The connection is dropped: the transaction may still be open on it.
        client?.release(true)
        throw databaseError(error)
      }
    },
  }
}

async function readLedger(client: PoolClient, podUids: readonly string[]): Promise<SeenLedger> {
  const rows = async <T extends QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> => {
    const query: QueryConfig & { query_timeout: number } = {
      text,
      values,
      query_timeout: statementTimeoutMs + 100,
    }
    return (await client.query<T>(query)).rows
  }
  await rows('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY')
  await rows(`SET LOCAL statement_timeout = ${statementTimeoutMs}`)
  const [clock] = await rows<{ now_ms: number }>(`SELECT ${ms('now()', 'now_ms')}`)
  const sessions = (await rows<SessionFacts>(sessionsSql)).map(sessionFrom)
  const asked = [...new Set([...podUids, ...podsOf(sessions)])]
  const claims = (await rows<ClaimFacts>(claimsSql, [asked])).map(claimFrom)
  const [notes] = await rows<{ complete: boolean }>(completeSql)
  const noted = notes?.complete ? await rows<NotedFacts>(notedSql, [asked]) : undefined
  const miscounts = await rows<MiscountFacts>(miscountsSql)
  const listed = new Set(sessions.map((session) => session.id))
  const named = new Set(claims.flatMap(({ sessionId }) => sessionId ?? []).filter((id) => !listed.has(id)))
  if (named.size > 0) {
    const text = `SELECT ${sessionColumns} FROM sessions WHERE id = ANY ($1::uuid[])`
    const others = (await rows<SessionFacts>(text, [[...named]])).map(sessionFrom)
    sessions.push(...others)
    const claimed = new Set(claims.map((claim) => claim.podUid))
    const unread = podsOf(others).filter((podUid) => !claimed.has(podUid))
    const more = `SELECT ${claimColumns} FROM pod_claims WHERE pod_uid = ANY ($1::text[])`
    if (unread.length > 0) claims.push(...(await rows<ClaimFacts>(more, [unread])).map(claimFrom))
  }
  await rows('COMMIT')
  return {
    nowMs: clock?.now_ms ?? 0,
    claims,
    sessions,
    noted: noted && new Map(noted.map((row) => [row.pod_uid, row.agent_type])),
    miscounted: miscounts.map(({ project_id: projectId, counted, sessions }) => ({
      projectId,
      counted,
      sessions,
    })),
  }
}

function podsOf(sessions: readonly SeenSession[]): string[] {
  return [...new Set(sessions.flatMap(({ podUid }) => podUid ?? []))]
}

function sessionFrom(row: SessionFacts): SeenSession {
  return {
    id: row.id,
    status: row.status,
    agentType: row.agent_type,
    epoch: row.epoch,
    podUid: row.pod_uid ?? undefined,
    leaseExpiresAt: row.lease_expires_ms,
    mayBeTold: row.may_be_told,
    createdAt: row.created_ms,
    activeAt: row.active_ms ?? undefined,
    endingAt: row.ending_ms ?? undefined,
    endedAt: row.ended_ms ?? undefined,
  }
}

function claimFrom(row: ClaimFacts): SeenClaim {
  return {
    podUid: row.pod_uid,
    purpose: row.purpose,
    sessionId: row.session_id ?? undefined,
    epoch: row.epoch ?? undefined,
    claimedAt: row.claimed_ms,
  }
}

import type { PodLifeLedger, PodLifeNote } from '../domain/pool-ports.ts'
import { databaseError, type Postgres } from './postgres-client.ts'

/** Where only the creationTimestamp is known, the middle of its second is taken. */
const halfSecondMs = 500

/** A life is not ended sooner than this: another leader may just have begun it, and this informer may lag. */
const youngestEndMs = 5_000

/** An end that was noted longer ago than this and is contradicted by the informer was wrong: a backup was restored. */
const reopenAfterMs = 60_000

const ms = "interval '1 ms'"
const stamped = (epochMs: string) => `to_timestamp(${epochMs} / 1000.0)`
/** Fits the column whatever the time was. */
const wholeMs = (interval: string) =>
  `least(greatest(extract(epoch FROM ${interval}) * 1000, 0), 2147483647)::integer`

// In UID order, so that two leaders cannot wait for each other in a circle. greatest and least skip NULL.
const noteSql = `
  INSERT INTO pod_lives AS l (
    pod_uid, agent_type, created_at, created_inexact_ms, ready_at, deleting_at, gone_at, gone_inexact_ms)
  SELECT uid, type, born, CASE WHEN created_ago IS NULL THEN ${halfSecondMs} ELSE 0 END,
    now() - ready_ago * ${ms}, ${stamped('deleting')},
    CASE WHEN gone_ago IS NOT NULL THEN greatest(now() - gone_ago * ${ms}, born) END, inexact
  FROM unnest($1::text[], $2::text[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], $8::integer[])
      AS note (uid, type, created, created_ago, ready_ago, deleting, gone_ago, inexact),
    LATERAL (
      SELECT least(coalesce(now() - created_ago * ${ms}, ${stamped(`(created + ${halfSecondMs})`)}), now()) AS born
    ) AS birth
  ORDER BY uid
  ON CONFLICT (pod_uid) DO UPDATE SET
    created_at = CASE
      WHEN excluded.created_inexact_ms < l.created_inexact_ms THEN excluded.created_at ELSE l.created_at END,
    created_inexact_ms = least(l.created_inexact_ms, excluded.created_inexact_ms),
    ready_at = coalesce(l.ready_at, excluded.ready_at),
    deleting_at = coalesce(excluded.deleting_at, l.deleting_at),
    gone_at = CASE WHEN excluded.gone_at IS NOT NULL THEN greatest(excluded.gone_at, l.created_at) END,
    gone_inexact_ms = excluded.gone_inexact_ms
  WHERE l.gone_at IS NULL`

const reopenSql = `
  UPDATE pod_lives SET gone_at = NULL, gone_inexact_ms = 0, settled = false,
    session_id = NULL, project_id = NULL, claimed_at = NULL, released_at = NULL
  WHERE pod_uid IN (
    SELECT l.pod_uid FROM unnest($1::text[]) AS present (uid) JOIN pod_lives l ON l.pod_uid = present.uid
    WHERE l.gone_at < now() - ${reopenAfterMs} * ${ms}
    FOR NO KEY UPDATE OF l SKIP LOCKED)`

// NOT EXISTS is hashed, also with 20,000 pods.
const beginSql = `
  INSERT INTO pod_lives (pod_uid, agent_type, created_at, created_inexact_ms, ready_at)
  SELECT uid, type, least(${stamped(`(created + ${halfSecondMs})`)}, now()), ${halfSecondMs}, ${stamped('ready')}
  FROM unnest($1::text[], $2::text[], $3::float8[], $4::float8[]) AS present (uid, type, created, ready)
  WHERE NOT EXISTS (SELECT FROM pod_lives l WHERE l.pod_uid = present.uid)
  ORDER BY uid
  ON CONFLICT (pod_uid) DO NOTHING`

// Pods that became Ready while no controller watched.
const readySql = `
  UPDATE pod_lives SET ready_at = ${stamped('seen.ready')}
  FROM unnest($1::text[], $2::float8[]) AS seen (uid, ready)
  WHERE pod_lives.pod_uid = seen.uid AND pod_lives.gone_at IS NULL AND pod_lives.ready_at IS NULL AND seen.ready IS NOT NULL`

// No event told of this end, so the pod went between the last look and the first list of the process that compares: later
// ones it would have been told of. If it has looked itself since, an event was lost, and the pod may have gone until now.
// The deletionTimestamp is a better guess if it lies in between.
const endSql = `
  WITH bounds AS (
    SELECT looked_at, CASE WHEN looked_at > now() - $2::float8 * ${ms} THEN now() ELSE now() - $2::float8 * ${ms} END AS listed_at
    FROM pod_life_notes
  ), absent AS (
    SELECT l.pod_uid FROM pod_lives l
    WHERE l.gone_at IS NULL AND l.created_at < now() - ${youngestEndMs} * ${ms}
      AND NOT EXISTS (SELECT FROM unnest($1::text[]) AS present (uid) WHERE present.uid = l.pod_uid)
    FOR NO KEY UPDATE OF l SKIP LOCKED
  )
  UPDATE pod_lives SET
    gone_at = greatest(created_at, CASE
      WHEN deleting_at > b.looked_at AND deleting_at < b.listed_at THEN deleting_at ELSE b.listed_at END),
    gone_inexact_ms = ${wholeMs('b.listed_at - greatest(b.looked_at, created_at)')}
  FROM bounds b, absent WHERE pod_lives.pod_uid = absent.pod_uid`

const lookedSql = `
  UPDATE pod_life_notes SET looked_at = now(), complete_since = coalesce(complete_since, now()) WHERE singleton`

// Only a session that was ACTIVE used its pod. A session that has moved to another pod was never ACTIVE on this one.
const settleSql = `
  WITH due AS (
    SELECT l.pod_uid, s.pod_uid = l.pod_uid AND s.active_at IS NOT NULL AS used, s.id, s.project_id, c.at, s.ended_at
    FROM pod_lives l
      LEFT JOIN pod_claims c ON c.pod_uid = l.pod_uid AND c.purpose = 'session'
      LEFT JOIN sessions s ON s.id = c.session_id
    WHERE l.gone_at IS NOT NULL AND NOT l.settled
      AND (s.id IS NULL OR s.pod_uid IS DISTINCT FROM l.pod_uid OR s.status = 'ENDED')
    ORDER BY l.gone_at LIMIT $1 FOR NO KEY UPDATE OF l SKIP LOCKED
  )
  UPDATE pod_lives SET settled = true,
    session_id = CASE WHEN due.used THEN due.id END,
    project_id = CASE WHEN due.used THEN due.project_id END,
    claimed_at = CASE WHEN due.used THEN due.at END,
    released_at = CASE WHEN due.used THEN due.ended_at END
  FROM due WHERE pod_lives.pod_uid = due.pod_uid`

const purgeSql = `
  WITH deleted AS (
    DELETE FROM pod_lives WHERE pod_uid IN (
      SELECT pod_uid FROM pod_lives
      WHERE settled AND tstzrange(created_at, gone_at, '[]') << tstzrange(now() - $1::float8 * ${ms}, NULL)
      LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING pod_uid
  ), noted AS (
    UPDATE pod_life_notes SET complete_since = greatest(complete_since, now() - $1::float8 * ${ms})
    WHERE EXISTS (SELECT FROM deleted)
  )
  SELECT count(*)::int AS count FROM deleted`

/** `pod_lives` for the controller. */
export function createPostgresPodLives({ durable }: Pick<Postgres, 'durable'>): PodLifeLedger {
  async function run<T extends object>(text: string, values: unknown[] = []) {
    try {
      const { rows, rowCount } = await durable.query<T>(text, values)
      return { rows, count: rowCount ?? 0 }
    } catch (error) {
      throw databaseError(error)
    }
  }

  return {
    async note(lives) {
      if (lives.length > 0) await run(noteSql, columnsOf(lives))
    },
    async compare(present, { open, listedAgoMs }) {
      const uids = present.map(({ uid }) => uid)
      await run(reopenSql, [uids])
      const types = present.map(({ agentType }) => agentType)
      const created = present.map(({ createdAt }) => createdAt)
      const ready = present.map(({ readySince }) => readySince)
      const begun = await run(beginSql, [uids, types, created, ready])
      await run(readySql, [uids, ready])
      const ended = await run(endSql, [[...uids, ...open], listedAgoMs])
      await run(lookedSql)
      return { begun: begun.count, ended: ended.count }
    },
    async noteLooked() {
      await run(lookedSql)
    },
    settle: async (limit) => (await run(settleSql, [limit])).count,
    async purge({ afterMs, limit }) {
      const { rows } = await run<{ count: number }>(purgeSql, [afterMs, limit])
      return rows[0]?.count ?? 0
    },
  }
}

function columnsOf(lives: readonly PodLifeNote[]): unknown[] {
  return [
    lives.map((life) => life.podUid),
    lives.map((life) => life.agentType),
    lives.map((life) => life.createdAt),
    lives.map((life) => life.createdAgoMs),
    lives.map((life) => life.readyAgoMs),
    lives.map((life) => life.deletingAt),
    lives.map((life) => life.goneAgoMs),
    lives.map((life) => Math.min(Math.round(life.goneInexactMs), 2 ** 31 - 1)),
  ]
}

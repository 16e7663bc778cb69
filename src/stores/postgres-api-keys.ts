import type { ApiKey, KeyDigests, KeyLedger } from '../domain/api-key.ts'
import type { Scope } from '../domain/caller.ts'
import { actorValues, noted } from './postgres-audit-log.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'
import { ms } from './session-row.ts'

interface KeyRow {
  id: string
  name: string
  project_id: string | null
  scopes: Scope[]
  created_ms: number
  created_by: string
  rotated_ms: number | null
  old_until_ms: number | null
  revoked_ms: number | null
}

interface ChangedRow extends KeyRow {
  secret_sha256: Buffer
  old_secret_sha256: Buffer | null
  old_for_ms: number | null
}

const columns = [
  'k.id, k.name, k.project_id, k.scopes, k.created_by',
  ms('k.created_at', 'created_ms'),
  ms('k.rotated_at', 'rotated_ms'),
  ms('k.old_secret_until', 'old_until_ms'),
  ms('k.revoked_at', 'revoked_ms'),
].join(', ')

/** Taken first by every change, and held until it is committed: see the migration. */
const nextRevision = 'UPDATE api_key_revision SET revision = revision + 1 WHERE singleton RETURNING revision'

const revisionSql = 'SELECT revision::float8 AS revision FROM api_key_revision WHERE singleton'

// The rows and the number are of one snapshot. Who knows no key need not be told which are revoked.
const changesSql = `
  SELECT r.revision::float8 AS revision, ${columns}, k.secret_sha256, k.old_secret_sha256,
    (extract(epoch FROM k.old_secret_until - now()) * 1000)::float8 AS old_for_ms
  FROM api_key_revision r LEFT JOIN api_keys k ON k.revision > $1 AND ($1 > 0 OR k.revoked_at IS NULL)
  WHERE r.singleton`

const createSql = `
  WITH next AS (${nextRevision}), k AS (
    INSERT INTO api_keys (id, name, project_id, scopes, secret_sha256, created_by, revision)
    SELECT $1, $2, $3, $4, $5, $6, revision FROM next
    RETURNING *
  )${noted('key.create', { changed: 'k', first: 7 })}
  SELECT ${columns} FROM k`

const rotateSql = `
  WITH next AS (${nextRevision}), k AS (
    UPDATE api_keys SET secret_sha256 = $3, old_secret_sha256 = secret_sha256, rotated_at = now(),
      old_secret_until = now() + $4::float8 * interval '1 ms', revision = next.revision
    FROM next WHERE id = $1 AND ($2::text IS NULL OR project_id = $2) AND revoked_at IS NULL
    RETURNING api_keys.*
  )${noted('key.rotate', { changed: 'k', first: 5 })}
  SELECT ${columns} FROM k`

const revokeSql = `
  WITH next AS (${nextRevision}), k AS (
    UPDATE api_keys SET revoked_at = now(), old_secret_sha256 = NULL, old_secret_until = NULL, revision = next.revision
    FROM next WHERE id = $1 AND ($2::text IS NULL OR project_id = $2) AND revoked_at IS NULL
    RETURNING api_keys.*
  )${noted('key.revoke', { changed: 'k', first: 3 })}
  SELECT ${columns} FROM k`

const getSql = `SELECT ${columns} FROM api_keys k WHERE id = $1 AND ($2::text IS NULL OR project_id = $2)`

const listSql = `
  SELECT ${columns} FROM api_keys k
  WHERE ($1::text IS NULL OR project_id = $1) AND ($2::text IS NULL OR id > $2)
  ORDER BY id LIMIT $3`

/** `api_keys`. One statement each, durable: a revocation must survive a crash. */
export function createPostgresApiKeys({ durable }: Pick<Postgres, 'durable'>): KeyLedger {
  async function rows<T extends object>(name: string, text: string, values: unknown[]): Promise<T[]> {
    try {
      return await runStatement<T>(durable, { name, text, values })
    } catch (error) {
      throw databaseError(error)
    }
  }
  async function one(name: string, text: string, values: unknown[]): Promise<ApiKey | undefined> {
    const [row] = await rows<KeyRow>(name, text, values)
    return row && keyFrom(row)
  }

  return {
    async changesSince(known) {
      const [present] = await rows<{ revision: number }>('api-key-revision', revisionSql, [])
      if (present?.revision === known) return { revision: known, keys: [] }
      const found = await rows<ChangedRow & { revision: number }>('api-key-changes', changesSql, [known])
      const keys = found
        .filter(({ id }) => id !== null)
        .map((row) => ({ ...keyFrom(row), ...digestsFrom(row) }))
      return { revision: found[0]?.revision ?? known, keys }
    },
    async create({ id, name, projectId, scopes, digest }, by) {
      const values = [id, name, projectId, scopes, digest, `${by.kind} ${by.id}`, ...actorValues(by)]
      const created = await one('api-key-create', createSql, values)
      if (!created) throw new Error('api_key_revision has no row')
      return created
    },
    rotate: (id, { digest, keepOldMs }, by) =>
      one('api-key-rotate', rotateSql, [id, by.projectId, digest, keepOldMs, ...actorValues(by)]),
    revoke: (id, by) => one('api-key-revoke', revokeSql, [id, by.projectId, ...actorValues(by)]),
    get: (id, projectId) => one('api-key-get', getSql, [id, projectId]),
    list: async ({ projectId, after, limit }) =>
      (await rows<KeyRow>('api-key-list', listSql, [projectId, after, limit])).map(keyFrom),
  }
}

function keyFrom(row: KeyRow): ApiKey {
  return {
    id: row.id,
    name: row.name,
    projectId: row.project_id ?? undefined,
    scopes: row.scopes,
    createdAt: row.created_ms,
    createdBy: row.created_by,
    rotatedAt: row.rotated_ms ?? undefined,
    oldSecretUntil: row.old_until_ms ?? undefined,
    revokedAt: row.revoked_ms ?? undefined,
  }
}

function digestsFrom({
  secret_sha256: digest,
  old_secret_sha256: old,
  old_for_ms: forMs,
}: ChangedRow): KeyDigests {
  return { digest, old: old === null ? undefined : { digest: old, forMs: forMs ?? 0 } }
}

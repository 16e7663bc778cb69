import type { AuditAction, AuditActor, AuditEntry, AuditFact, AuditLog } from '../domain/audit.ts'
import type { Caller } from '../domain/caller.ts'
import { orderedId } from '../timing/ordered-id.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'
import { ms } from './session-row.ts'

interface AuditRow {
  id: string
  at_ms: number
  actor_kind: Caller['kind']
  actor_id: string
  project_id: string | null
  action: AuditEntry['action']
  subject: string
  detail: string | null
}

const highestId = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

const auditInsert =
  'INSERT INTO audit_log (id, at, actor_kind, actor_id, project_id, action, subject, detail)'

const appendSql = `
  ${auditInsert}
  SELECT id, to_timestamp(at / 1000), "actorKind", "actorId", "projectId", action, subject, detail
  FROM json_to_recordset($1::json) AS entry (id uuid, at float8, "actorKind" text, "actorId" text, "projectId" text,
    action text, subject text, detail text)
  ON CONFLICT (id) DO NOTHING`

const columns = `id, ${ms('at', 'at_ms')}, actor_kind, actor_id, project_id, action, subject, detail`
// A condition of its own for each kind of list: with `$1 IS NULL OR …` every entry is read.
const listSql = (ofProject: string) => `
  SELECT ${columns} FROM audit_log
  WHERE ${ofProject} AND id <= coalesce($2::uuid, '${highestId}') AND id IS DISTINCT FROM $2
  ORDER BY id DESC LIMIT $3`
const listAllSql = listSql('$1::text IS NULL')
const listOfProjectSql = listSql('project_id = $1')

const purgeSql = `SELECT purge_audit_rests($1::float8 * interval '1 ms', $2) AS count`

/** `audit_log`. */
export function createPostgresAuditLog({ durable }: Pick<Postgres, 'durable'>): AuditLog {
  async function rows<T extends object>(name: string, text: string, values: unknown[]): Promise<T[]> {
    try {
      return await runStatement<T>(durable, { name, text, values })
    } catch (error) {
      throw databaseError(error)
    }
  }
  return {
    async append(entries) {
      await rows('audit-append', appendSql, [auditValue(entries)])
    },
    async list({ projectId, before, limit }) {
      const [name, text] =
        projectId === undefined ? ['audit-list', listAllSql] : ['audit-list-project', listOfProjectSql]
      return (await rows<AuditRow>(name, text, [projectId, before, limit])).map(entryFrom)
    },
    async purge({ afterMs, limit }) {
      const [purged] = await rows<{ count: number }>('audit-purge', purgeSql, [afterMs, limit])
      return purged?.count ?? 0
    },
  }
}

export function newAuditEntry(fact: AuditFact): AuditEntry {
  return { ...fact, id: orderedId(), at: Date.now() }
}

/**
 * For a change that is noted by its own statement, whose changed rows are called `changed`. Parameters from `first` on:
 * {@link actorValues}.
 */
export const noted = (
  action: AuditAction,
  { changed, first }: { changed: string; first: number },
) => `, noted AS (
    ${auditInsert}
    SELECT $${first}::uuid, now(), $${first + 1}, $${first + 2}, project_id, '${action}', id::text, NULL FROM ${changed}
  )`

export const actorValues = ({ kind, id }: AuditActor): string[] => [orderedId(), kind, id]

/** For a change that is noted in its own transaction. */
export const auditAppend = (fact: AuditFact) => ({
  name: 'audit-append',
  text: appendSql,
  values: [auditValue([newAuditEntry(fact)])],
})

function auditValue(entries: readonly AuditEntry[]): string {
  return JSON.stringify(entries.map(({ by, ...rest }) => ({ ...rest, actorKind: by.kind, actorId: by.id })))
}

function entryFrom(row: AuditRow): AuditEntry {
  return {
    id: row.id,
    at: row.at_ms,
    by: { kind: row.actor_kind, id: row.actor_id },
    projectId: row.project_id ?? undefined,
    action: row.action,
    subject: row.subject,
    detail: row.detail ?? undefined,
  }
}

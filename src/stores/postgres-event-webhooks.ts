import type { EventType } from '../domain/event.ts'
import type { EventWebhook, WebhookStore } from '../domain/event-webhook.ts'
import { actorValues, noted } from './postgres-audit-log.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'
import { ms } from './session-row.ts'

interface WebhookRow {
  id: string
  project_id: string | null
  url: string
  types: EventType[] | null
  position: string
  disabled_for: string | null
  failures: number
  failing_ms: number | null
  last_error: string | null
  created_ms: number
}

const columns = `id, project_id, url, types, position, disabled_for, failures, last_error,
  ${ms('failing_since', 'failing_ms')}, ${ms('created_at', 'created_ms')}`

const mine = '($2::text IS NULL OR project_id = $2)'

const createSql = `
  WITH made AS (
    INSERT INTO event_webhooks (id, project_id, url, types, position)
    SELECT $1, $2, $3, $4, coalesce($5::bigint, last) FROM event_numbers
    WHERE (SELECT count(*) FROM event_webhooks WHERE project_id IS NOT DISTINCT FROM $2) < $6
    RETURNING *
  )${noted('webhook.create', { changed: 'made', first: 7 })}
  SELECT ${columns} FROM made`

const changeSql = `
  WITH made AS (
    UPDATE event_webhooks SET url = coalesce($3, url), types = coalesce($4, types), position = coalesce($5, position),
      disabled_for = CASE WHEN $6 THEN NULL ELSE disabled_for END,
      failures = CASE WHEN $6 THEN 0 ELSE failures END,
      failing_since = CASE WHEN $6 THEN NULL ELSE failing_since END,
      last_error = CASE WHEN $6 THEN NULL ELSE last_error END,
      next_try_at = now()
    WHERE id = $1 AND ${mine} RETURNING *
  )${noted('webhook.change', { changed: 'made', first: 7 })}
  SELECT ${columns} FROM made`

const removeSql = `
  WITH gone AS (
    DELETE FROM event_webhooks WHERE id = $1 AND ${mine} RETURNING *
  )${noted('webhook.delete', { changed: 'gone', first: 3 })}
  SELECT id FROM gone`

const settleSql = `
  UPDATE event_webhooks SET position = $3,
    failures = CASE WHEN $4::text IS NULL THEN 0 ELSE failures + 1 END,
    failing_since = CASE WHEN $4::text IS NULL THEN NULL ELSE coalesce(failing_since, now()) END,
    last_error = $4, disabled_for = $6,
    next_try_at = now() + $5::float8 * interval '1 ms'
  WHERE id = $1 AND position = $2`

/** Few rows and few changes; `due` is asked twice a second, by one process. */
export function createPostgresEventWebhooks({ durable }: Pick<Postgres, 'durable'>): WebhookStore {
  async function rows<T extends object>(name: string, text: string, values: unknown[]): Promise<T[]> {
    try {
      return await runStatement<T & Record<string, unknown>>(durable, { name, text, values })
    } catch (error) {
      throw databaseError(error)
    }
  }
  const webhooks = async (name: string, text: string, values: unknown[]): Promise<EventWebhook[]> =>
    (await rows<WebhookRow>(name, text, values)).map(webhookFrom)
  const one = async (...query: Parameters<typeof webhooks>) => (await webhooks(...query))[0]

  return {
    create: ({ id, projectId, url, types, position }, most, by) =>
      one('webhook-create', createSql, [id, projectId, url, types, position, most, ...actorValues(by)]),
    list: (projectId) =>
      webhooks(
        'webhook-list',
        `SELECT ${columns} FROM event_webhooks WHERE $1::text IS NULL OR project_id = $1 ORDER BY created_at, id`,
        [projectId],
      ),
    get: (id, projectId) =>
      one('webhook-get', `SELECT ${columns} FROM event_webhooks WHERE id = $1 AND ${mine}`, [id, projectId]),
    change: (id, { url, types, position, active = false }, projectId, by) =>
      one('webhook-change', changeSql, [id, projectId, url, types, position, active, ...actorValues(by)]),
    async remove(id, projectId, by) {
      return (await rows('webhook-remove', removeSql, [id, projectId, ...actorValues(by)])).length > 0
    },
    due: () =>
      webhooks(
        'webhook-due',
        `SELECT ${columns} FROM event_webhooks WHERE disabled_for IS NULL AND next_try_at <= now() ORDER BY next_try_at`,
        [],
      ),
    async settle(id, from, outcome) {
      const failed = outcome.kind === 'failed' ? outcome : undefined
      const { error, againMs = 0, disabledFor } = failed ?? {}
      await rows('webhook-settle', settleSql, [id, from, outcome.position, error, againMs, disabledFor])
    },
  }
}

function webhookFrom(row: WebhookRow): EventWebhook {
  return {
    id: row.id,
    projectId: row.project_id ?? undefined,
    url: row.url,
    types: row.types ?? undefined,
    position: Number(row.position),
    disabledFor: row.disabled_for ?? undefined,
    failures: row.failures,
    failingSince: row.failing_ms ?? undefined,
    lastError: row.last_error ?? undefined,
    createdAt: row.created_ms,
  }
}

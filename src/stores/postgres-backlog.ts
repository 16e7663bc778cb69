import type { Backlog, BacklogReader } from '../domain/backlog.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'

/** More than ever wait while all goes well; a count beyond it says no more. */
const mostCounted = 10_000

interface SessionRow {
  agent_type: string
  status: string
  count: number
}

interface EventRow {
  unnumbered: number
  oldest: number | null
}

interface WebhookRow {
  active: number
  failing: number
  disabled: number
  longest: number | null
}

const seconds = (since: string) => `greatest(0, extract(epoch FROM now() - ${since}))::float8`

// By the partial index sessions_live_pod, and sessions_cold for those without a pod: as many rows as there are live sessions.
const sessionsSql = `
  SELECT agent_type, status, count(*)::integer AS count FROM sessions
  WHERE status IN ('PENDING', 'ACTIVE', 'ENDING') GROUP BY agent_type, status`

const eventsSql = `
  SELECT count(*)::integer AS unnumbered, ${seconds('min(at)')} AS oldest FROM (
    SELECT at FROM session_events WHERE number IS NULL AND agent_type IS NOT NULL ORDER BY id LIMIT ${mostCounted}) waiting`

const webhooksSql = `
  SELECT count(*) FILTER (WHERE disabled_for IS NULL AND failing_since IS NULL)::integer AS active,
    count(*) FILTER (WHERE disabled_for IS NULL AND failing_since IS NOT NULL)::integer AS failing,
    count(*) FILTER (WHERE disabled_for IS NOT NULL)::integer AS disabled,
    ${seconds('min(failing_since) FILTER (WHERE disabled_for IS NULL)')} AS longest
  FROM event_webhooks`

/** Three statements that read as many rows as something is under way. The leading controller asks four times a minute. */
export function createPostgresBacklog({ relaxed }: Pick<Postgres, 'relaxed'>): BacklogReader {
  async function rows<T extends object>(name: string, text: string): Promise<T[]> {
    try {
      return await runStatement<T & Record<string, unknown>>(relaxed, { name, text, values: [] })
    } catch (error) {
      throw databaseError(error)
    }
  }
  return {
    async read(): Promise<Backlog> {
      const sessions = await rows<SessionRow>('backlog-sessions', sessionsSql)
      const [events] = await rows<EventRow>('backlog-events', eventsSql)
      const [webhooks] = await rows<WebhookRow>('backlog-webhooks', webhooksSql)
      return {
        sessions: sessions.map(({ agent_type: agentType, ...row }) => ({ agentType, ...row })),
        events: { unnumbered: events?.unnumbered ?? 0, oldestSeconds: events?.oldest ?? 0 },
        webhooks: {
          active: webhooks?.active ?? 0,
          failing: webhooks?.failing ?? 0,
          disabled: webhooks?.disabled ?? 0,
          failingSeconds: webhooks?.longest ?? 0,
        },
      }
    },
  }
}

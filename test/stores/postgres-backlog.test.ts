import t from 'tap'
import { createBacklogWatch } from '../../src/controllers/backlog-watch.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createPostgresBacklog } from '../../src/stores/postgres-backlog.ts'
import { createPostgresEventLog } from '../../src/stores/postgres-event-log.ts'
import { silent } from '../support/kept-log.ts'
import { newId } from './open-records.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)

async function bed(t: Parameters<typeof postgresFor>[0]) {
  const postgres = await postgresFor(t, database, { max: 2 })
  const run = (text: string, values: unknown[] = []) => postgres.durable.query(text, values)
  return {
    postgres,
    run,
    backlog: createPostgresBacklog(postgres),
    addSession: (agentType: string, status: string) =>
      run(
        `INSERT INTO sessions (id, status, end_reason, agent_type, room_name, room, epoch, pod_uid, pod_name, pod_ip,
           warm, lease_ms, lease_expires_at, max_ends_at, active_at, ended_at)
         VALUES ($1, $2, CASE WHEN $2 LIKE 'END%' THEN 'ended:caller' END, $3, 'l', 'r', 2, $4, $4, $4, true,
           60000, now() + '1 minute', now() + '1 hour', now(), CASE WHEN $2 = 'ENDED' THEN now() END)`,
        [newId(), status, agentType, newId()],
      ),
    addWebhook: (failingFor: string | null, disabledFor: string | null) =>
      run(
        `INSERT INTO event_webhooks (id, url, position, failing_since, disabled_for)
         VALUES ($1, 'https://a.example', 0, now() - $2::interval, $3)`,
        [newId(), failingFor, disabledFor],
      ),
  }
}

void t.test('an installation without anything under way', async (t) => {
  const { backlog } = await bed(t)
  t.same(await backlog.read(), {
    sessions: [],
    events: { unnumbered: 0, oldestSeconds: 0 },
    webhooks: { active: 0, failing: 0, disabled: 0, failingSeconds: 0 },
  })
})

void t.test('live sessions, events that nobody sees yet, webhooks by their state', async (t) => {
  const { backlog, addSession, addWebhook, run, postgres } = await bed(t)
  for (const status of ['ACTIVE', 'ACTIVE', 'ENDING', 'ENDED']) await addSession('echo-agent', status)
  await addSession('stella-agent', 'PENDING')
  await run(
    "UPDATE session_events SET at = at - interval '1 minute' WHERE id = (SELECT min(id) FROM session_events)",
  )
  for (const [failingFor, disabledFor] of [
    [null, null],
    ['5 minutes', null],
    ['2 hours', null],
    ['3 days', 'gone'],
  ] as const)
    await addWebhook(failingFor, disabledFor)
  const { sessions, events, webhooks } = await backlog.read()
  t.same(sessions.map(({ agentType, status, count }) => `${agentType} ${status} ${count}`).sort(), [
    'echo-agent ACTIVE 2',
    'echo-agent ENDING 1',
    'stella-agent PENDING 1',
  ])
  t.equal(events.unnumbered, 5)
  t.ok(events.oldestSeconds >= 60, `${events.oldestSeconds} s`)
  t.match(webhooks, { active: 1, failing: 2, disabled: 1 })
  t.ok(webhooks.failingSeconds >= 7_200 && webhooks.failingSeconds < 8_000, `${webhooks.failingSeconds} s`)

  const metrics = createMetrics()
  const { look } = createBacklogWatch({ backlog, metrics, logger: silent })
  await look()
  t.match(
    await metrics.registry.metrics(),
    'greenroom_sessions{agent_type="stella-agent",status="PENDING"} 1',
  )
  await createPostgresEventLog(postgres).number()
  await run("DELETE FROM sessions WHERE agent_type = 'stella-agent'")
  await look()
  const text = await metrics.registry.metrics()
  t.match(text, '\ngreenroom_events_unnumbered 0\n')
  t.match(text, '\ngreenroom_event_lag_seconds 0\n')
  t.match(text, 'greenroom_webhooks{state="failing"} 2')
  t.notMatch(text, 'status="PENDING"', 'a status that no session has any more')
})

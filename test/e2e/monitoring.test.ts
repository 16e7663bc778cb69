import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { root } from '../../bed/repository.ts'
import { startPrometheus } from '../../bed/servers/prometheus-server.ts'
import { promtool } from '../../bed/servers/promtool.ts'
import type { Dashboard } from '../manifests-run/checks/monitoring-checks.ts'
import { codeBlocks } from '../support/code-blocks.ts'
import { agentType, createSessionCaller } from './session-caller.ts'

/**
 * A real Prometheus scrapes an installation in which sessions were opened, a pool was empty, an image was missing and a pod was denied:
 * every query of the dashboards has an answer, and every command of the runbooks runs.
 */

t.setTimeout(300_000)
const patienceMs = 60_000
const max = 3
const bed = await startBed({
  livekit: true,
  pools: poolsDocument({
    min: 1,
    max,
    more: 'sizing: { hitRate: { target: 0.9 } }\nlease: { defaultSeconds: 900, heldBy: caller }',
  }).replace('"stella-light:1.0.0" }, min: 0', '"stella-light:1.0.0" }, min: 1'),
})
const { client, kubectl, open, untilEnded } = createSessionCaller(bed)
t.teardown(async () => {
  client.close()
  await bed.stop()
})
const monitoring = join(root, 'manifests/components/monitoring')
const rules = parse(await readFile(join(monitoring, 'alerts.yaml'), 'utf8')) as { spec: object }

async function agentAddresses(): Promise<readonly string[]> {
  const { items } = JSON.parse(
    await kubectl('get', 'pods', '-l', `agent-type=${agentType}`, '-o', 'json'),
  ) as {
    items: { status: { podIP?: string } }[]
  }
  return items.flatMap(({ status: { podIP } }) => (podIP === undefined ? [] : [`${podIP}:8080`]))
}

/** Held open, so that its agent is scraped while it talks. */
const held = await open({ onEmpty: 'wait', waitMs: 60_000 })
const hostOf = (url: string) => new URL(url).host
const { webhook = '', ...servers } = bed.opsUrls
const prometheus = await startPrometheus({
  folder: bed.folder,
  rules: rules.spec,
  // The names that the operator gives: of the Services, and of the PodMonitor.
  jobs: {
    'session-management-server-ops': Object.values(servers).map(hostOf),
    'agent-webhook-ops': [hostOf(webhook)],
    'ai-agents/agents': await agentAddresses(),
  },
})
t.teardown(() => prometheus.stop())

const badPod = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { generateName: 'bad-', namespace: bed.namespace, labels: { 'agent-type': agentType } },
  spec: { hostNetwork: true, containers: [{ name: 'agent', image: 'greenroom:0.1.0' }] },
})

/** What an hour of a day is made of, once. */
async function traffic(): Promise<void> {
  for (let n = 0; n < 2; n += 1)
    await client.call({ method: 'POST', path: `/v1/sessions/${held.id}/renew`, body: { epoch: held.epoch } })
  await fetch(`http://${held.pod.ip}:8080/sessions/${held.id}/echo`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"content":"hello"}',
  })
  const traceparent = `00-${randomUUID().replaceAll('-', '')}-${'1'.repeat(16)}-01`
  const opened: string[] = []
  // One is held: the pool may have so many pods more, and then it is empty.
  while (opened.length < max - 1)
    opened.push((await open({ onEmpty: 'wait', waitMs: 60_000 }, { traceparent })).id)
  const refused = await client.open({ agentType, onEmpty: 'fail' }, {})
  if (refused.body.code !== 'GRN_POOL_EMPTY') throw new Error(refused.text)
  const waiting = client.open({ agentType, onEmpty: 'wait', waitMs: 1_000 }, {})
  const denied = await bed.plane.kubectl(['create', '-f', '-'], { input: badPod })
  if (denied.code === 0) throw new Error('the pod was not denied')
  await waiting
  for (const id of opened) {
    await until(
      'the agent in its room',
      async () => {
        const { body } = await client.read(id)
        return body.agentJoinedAt !== undefined || body.status === 'ENDED'
      },
      patienceMs,
    )
    await client.end(id)
    await untilEnded(id)
  }
}

/** What the first traffic leaves in each process. A rate needs what was there before the second. */
const firstCounts = [
  'greenroom_sessions_ended_total',
  'greenroom_admission_violations_total',
  'greenroom_lease_renewals_total',
  'greenroom_agent_join_seconds_count',
  'greenroom_open_seconds_count{outcome="GRN_POOL_EMPTY"}',
  'agent_messages_processed_total',
]

void t.test('sessions are opened, refused and ended, twice, and a pod is denied', async (t) => {
  await traffic()
  for (const metric of firstCounts)
    await until(metric, async () => (await prometheus.query(`${metric} > 0`)).length > 0, patienceMs)
  await traffic()
  t.pass()
})

const files = await readdir(join(monitoring, 'dashboards'))
for (const file of files) {
  const { title, panels } = JSON.parse(
    await readFile(join(monitoring, 'dashboards', file), 'utf8'),
  ) as Dashboard
  void t.test(`every query of the dashboard "${title}" has an answer`, async (t) => {
    const queries = panels.flatMap((panel) => panel.targets.map(({ expr }) => ({ panel: panel.title, expr })))
    for (const { panel, expr } of queries) {
      const asked = expr.replaceAll('$__rate_interval', '5m').replaceAll('$agent_type', '.*')
      const samples = await until(
        `${panel}: ${asked}`,
        async () => {
          const found = await prometheus.query(asked)
          return found.some(({ value }) => Number.isFinite(Number(value))) && found
        },
        patienceMs,
      )
      t.ok(samples.length > 0, panel)
    }
  })
}

void t.test('what the agents of a pool do is there, and no series has a session', async (t) => {
  const [answered] = await prometheus.query('sum(agent_messages_processed_total{job="ai-agents/agents"})')
  t.ok(Number(answered?.value) >= 2)
  const [latency] = await prometheus.query('sum(agent_response_latency_seconds_count)')
  t.equal(latency?.value, answered?.value)
  const series = JSON.stringify(await prometheus.read('series?match[]={__name__=~"(greenroom|agent)_.*"}'))
  t.notMatch(series, held.id)
  t.notMatch(series, held.pod.uid)
})

void t.test('an open that was traced is an exemplar', async (t) => {
  const now = Date.now() / 1_000
  const query = `query_exemplars?query=greenroom_open_seconds_bucket&start=${now - 600}&end=${now + 5}`
  const found = (await prometheus.read(query)) as { exemplars: { labels: { trace_id: string } }[] }[]
  const traces = found.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels.trace_id))
  t.ok(traces.length > 0)
  for (const trace of traces) t.match(trace, /^[0-9a-f]{32}$/)
})

void t.test(
  'the alerts that this installation earns are on their way, and no page that it does not',
  async (t) => {
    const { alerts } = (await until(
      'the alert of the missing image',
      async () => {
        const found = (await prometheus.read('alerts')) as { alerts: { labels: Record<string, string> }[] }
        return found.alerts.some(({ labels }) => labels.alertname === 'GreenroomPoolProblem') && found
      },
      patienceMs,
    )) as { alerts: { labels: Record<string, string> }[] }
    t.match(
      alerts.find(({ labels }) => labels.alertname === 'GreenroomPoolProblem'),
      { labels: { agent_type: 'stella-light', cause: 'image', severity: 'ticket' } },
    )
    const names = alerts.map(({ labels }) => labels.alertname)
    for (const quiet of [
      'GreenroomSessionServerDown',
      'GreenroomWebhookDown',
      'GreenroomNoLeader',
      'GreenroomLiveKitAway',
    ])
      t.notOk(names.includes(quiet), quiet)
  },
)

void t.test('promtool has nothing to say about our names', async (t) => {
  for (const [role, url] of Object.entries(bed.opsUrls)) {
    const text = await (await fetch(`${url}/metrics`)).text()
    const { output } = promtool(['check', 'metrics'], text)
    const ours = output.split('\n').filter((line) => /^(greenroom|agent)_/.test(line))
    t.same(ours, [], role)
  }
})

/** Each line of a runbook's block is a command. These tell what they found by their code too. */
const mayFind = /\b(doctor|scan)\b/

void t.test('every command of the runbooks and of docs/operate/monitoring.md runs', async (t) => {
  const folder = join(root, 'docs/runbooks')
  await kubectl('create', 'namespace', 'observability')
  const page = await readFile(join(root, 'docs/operate/monitoring.md'), 'utf8')
  const lines = new Set<string>(codeBlocks(page, 'sh').map((block) => block.trim()))
  for (const name of await readdir(folder)) {
    const blocks = codeBlocks(await readFile(join(folder, name), 'utf8'), 'sh')
    t.equal(blocks.length, 1, name)
    for (const line of blocks.join('').trim().split('\n')) lines.add(line)
  }
  t.ok(lines.size > 20)
  // The kubelet of the bed serves no logs, so `kubectl logs` must find no pod; what it asks for is read all the same.
  await client.end(held.id)
  await untilEnded(held.id)
  const env = {
    ...process.env,
    NODE_OPTIONS: '',
    PATH: `${dirname(bed.plane.kubectlPath)}:${dirname(process.execPath)}:${process.env.PATH}`,
    KUBECONFIG: bed.plane.kubeconfigPath,
    GREENROOM_API_URL: bed.apiUrls[0],
    GREENROOM_API_KEY: bed.apiKey,
    DATABASE_URL: bed.databaseUrl,
    REDIS_URL: bed.redis.url,
    POOL: agentType,
  }
  for (const line of lines) {
    const { promise, resolve } = Promise.withResolvers<{ code: number | string; output: string }>()
    execFile('bash', ['-euo', 'pipefail', '-c', line], { cwd: root, env }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: `${stdout}${stderr}` }),
    )
    const { code, output } = await promise
    const isFine = code === 0 || (mayFind.test(line) && code === 1)
    t.ok(isFine, `${line}: ${code} ${isFine ? '' : output}`)
    t.notMatch(output, /\berror:|unknown (command|flag)/i, line)
  }
})

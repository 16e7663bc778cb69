import t from 'tap'
import { createMetrics } from '../../src/metrics.ts'
import { createOpsApp } from '../../src/serving/ops-app.ts'
import { isProblem, startApi } from '../http/api-bed.ts'
import { silent } from '../support/kept-log.ts'

void t.test('probes need no key and say what they wait for', async (t) => {
  const api = await startApi(t)
  const get = (url: string) => api.app.inject({ url })
  for (const url of ['/livez', '/health'])
    t.match(await get(url), { statusCode: 200, body: '{"status":"healthy"}' })
  for (const url of ['/readyz', '/ready']) {
    api.setChecks({ postgresql: 'ok', redis: 'ok' })
    t.match(await get(url), { statusCode: 200, body: '{"status":"ready"}' })
    api.setChecks({ postgresql: 'ok', redis: 'degraded' })
    t.match(await get(url), { statusCode: 200, body: '{"status":"degraded"}' })
    api.setChecks({ postgresql: 'failed', redis: 'degraded' })
    t.match(await get(url), { statusCode: 503, body: '{"status":"not ready"}' })
    for (const query of ['verbose', 'verbose=', 'verbose=1']) {
      const answer = await get(`${url}?${query}`)
      t.equal(answer.statusCode, 503)
      t.strictSame(answer.json().checks, { postgresql: 'failed', redis: 'degraded' })
    }
  }
})

void t.test('metrics are text that a scraper can read', async (t) => {
  const api = await startApi(t)
  api.metrics.openSeconds.observe({ agent_type: 'echo-agent', outcome: 'ok' }, 0.002)
  const answer = await api.app.inject({ url: '/metrics' })
  t.match(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/)
  const samples = answer.body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  for (const line of samples) {
    if (
      !/^[a-z_0-9]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? ([Nn]a[Nn]|[-+]?[\d.]+(e[-+]?\d+)?)$/.test(line)
    )
      t.fail(line)
  }
  t.match(answer.body, /greenroom_open_seconds_count\{agent_type="echo-agent",outcome="ok"\} 1/)
})

void t.test('pools', async (t) => {
  const api = await startApi(t)
  const one = {
    agentType: 'echo-agent',
    desired: { min: 2, max: 9 },
    ready: 2,
    configuration: { applied: '1' },
  }
  t.match((await api.call('GET', '/v1/pools')).json(), { pools: [one] })
  t.match((await api.call('GET', '/v1/pools/echo-agent')).json(), one)
  isProblem(t, await api.call('GET', '/v1/pools/nothing'), 'GRN_UNKNOWN_AGENT_TYPE', 404, /"nothing"/)
})

void t.test('the page for people, and the document: every route of /v1, each once', async (t) => {
  const api = await startApi(t)
  t.equal((await api.app.inject({ url: '/docs' })).statusCode, 200)
  const answer = await api.app.inject({ url: '/openapi.json' })
  t.equal(answer.statusCode, 200)
  const document = answer.json() as { openapi: string; paths: Record<string, Record<string, Operation>> }
  t.match(document.openapi, /^3\.1/)
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      at: `${method.toUpperCase()} ${path}`,
      ...operation,
    })),
  )
  t.same(operations.map(({ at }) => at).sort(), [
    'DELETE /v1/sessions/{id}',
    'GET /v1/pools',
    'GET /v1/pools/{agentType}',
    'GET /v1/sessions',
    'GET /v1/sessions/{id}',
    'POST /v1/sessions',
    'POST /v1/sessions/{id}/renew',
    'POST /v1/sessions/{id}/token',
  ])
  t.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
  for (const { at, summary, responses } of operations) {
    t.ok(summary, at)
    t.ok(responses['4XX'] ?? responses['4xx'], `${at} says what a refusal looks like`)
  }
})
interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly responses: Record<string, unknown>
}

void t.test('a role without an API has the same probes and refusals', async (t) => {
  const checks = () => ({ kubernetes: 'ok' as const })
  const app = await createOpsApp({ logger: silent, registry: createMetrics().registry, checks })
  t.teardown(() => app.close())
  t.equal((await app.inject({ url: '/readyz' })).statusCode, 200)
  t.equal((await app.inject({ url: '/metrics' })).statusCode, 200)
  isProblem(t, await app.inject({ url: '/v1/sessions' }), 'GRN_NOT_FOUND', 404)
  isProblem(t, await app.inject({ url: '/%ff' }), 'GRN_INVALID_REQUEST', 400)
})

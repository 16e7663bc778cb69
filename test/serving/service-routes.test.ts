import { pino } from 'pino'
import { Registry } from 'prom-client'
import t from 'tap'
import { createMetrics } from '../../src/metrics.ts'
import { createService } from '../../src/serving/service.ts'
import { addServiceRoutes, type CheckState } from '../../src/serving/service-routes.ts'
import { isProblem, startApi } from '../http/api-bed.ts'
import { silent } from '../support/kept-log.ts'

void t.test('probes need no key; on the public port they say whether, and not why', async (t) => {
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
    for (const query of ['', '?verbose', '?verbose=', '?verbose=1'])
      t.match(await get(`${url}${query}`), { statusCode: 503, body: '{"status":"not ready"}' })
  }
  isProblem(t, await get('/metrics'), 'GRN_NOT_FOUND', 404)
})

void t.test('on the port for operators they say what they wait for', async (t) => {
  const app = createService({ logger: silent })
  t.teardown(() => app.close())
  const checks: Record<string, CheckState> = { postgresql: 'failed', redis: 'degraded' }
  addServiceRoutes(app, { registry: new Registry(), checks: () => checks })
  for (const url of ['/readyz', '/ready']) {
    t.match(await app.inject({ url }), { statusCode: 503, body: '{"status":"not ready"}' })
    for (const query of ['verbose', 'verbose=', 'verbose=1']) {
      const answer = await app.inject({ url: `${url}?${query}` })
      t.equal(answer.statusCode, 503)
      t.strictSame(answer.json().checks, { postgresql: 'failed', redis: 'degraded' })
    }
  }
})

void t.test('metrics are text that a scraper can read', async (t) => {
  const metrics = createMetrics()
  const app = createService({ logger: silent })
  t.teardown(() => app.close())
  addServiceRoutes(app, { registry: metrics.registry, checks: () => ({}) })
  metrics.openSeconds.observe({ labels: { agent_type: 'echo-agent', outcome: 'ok' }, value: 0.002 })
  const answer = await app.inject({ url: '/metrics' })
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

void t.test('details are shown with every answer of readiness, checks on request', async (t) => {
  const app = createService({ logger: pino({ level: 'silent' }) })
  t.teardown(() => app.close())
  const checks = { policy: 'failed', certificate: 'ok' } as const
  const details = { policy: { seen: '7' } }
  addServiceRoutes(app, { registry: new Registry(), checks: () => checks, details: () => details })
  const get = async (url: string) => (await app.inject({ url })).json()
  t.strictSame(await get('/readyz'), { status: 'not ready', details })
  t.strictSame(await get('/readyz?verbose'), { status: 'not ready', details, checks })
})

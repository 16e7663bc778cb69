import { Counter, Gauge, Registry } from 'prom-client'
import t, { type Test } from 'tap'
import { createMetrics } from '../../src/metrics.ts'
import { createService } from '../../src/serving/service.ts'
import { addServiceRoutes } from '../../src/serving/service-routes.ts'
import { createBatchedCounter } from '../../src/webhook/batched-counter.ts'
import { silent } from '../support/kept-log.ts'

/** As Prometheus 3 asks. */
const accept =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,*/*;q=0.2'

function start(t: Test, registry: Registry) {
  const app = createService({ logger: silent })
  t.teardown(() => app.close())
  addServiceRoutes(app, { registry, checks: () => ({}) })
  return async (headers: Record<string, string> = {}) => {
    const { body, headers: answered } = await app.inject({ url: '/metrics', headers })
    return { body, type: answered['content-type'] }
  }
}

void t.test('who asks for OpenMetrics gets the trace of an open; others do not see it', async (t) => {
  const metrics = createMetrics()
  const scrape = start(t, metrics.registry)
  const labels = { agent_type: 'echo-agent', outcome: 'opened' }
  metrics.openSeconds.observe({ labels, value: 0.004, exemplarLabels: { trace_id: 'a'.repeat(32) } })
  metrics.openSeconds.observe({ labels, value: 0.2 })
  const open = await scrape({ accept })
  t.match(open.type, /^application\/openmetrics-text; version=1\.0\.0/)
  t.match(
    open.body,
    new RegExp(`greenroom_open_seconds_bucket{le="0.005",[^}]*} 1 # {trace_id="a{32}"} 0.004 \\d`),
  )
  t.equal(open.body.match(/trace_id/g)?.length, 1)
  t.ok(open.body.endsWith('\n# EOF\n'))
  const plain = await scrape()
  t.match(plain.type, /^text\/plain; version=0\.0\.4/)
  t.notMatch(plain.body, 'trace_id')
  t.match(plain.body, 'greenroom_open_seconds_count{agent_type="echo-agent",outcome="opened"} 2')
})

void t.test(
  'both formats tell the same, however often and in whatever order they are asked for',
  async (t) => {
    const registry = new Registry()
    const counted = new Counter({ name: 'plain_total', help: 'h', registers: [registry] })
    const batched = createBatchedCounter(registry, { name: 'batched_total', help: 'h', labelNames: ['rule'] })
    new Gauge({
      name: 'collected',
      help: 'h',
      labelNames: ['state'],
      registers: [registry],
      collect() {
        this.reset()
        this.set({ state: 'now' }, 7)
      },
    })
    const scrape = start(t, registry)
    for (let n = 1; n <= 3; n += 1) {
      counted.inc()
      batched.inc({ rule: 'a' })
      for (const headers of [{ accept }, {}, { accept }]) {
        const { body } = await scrape(headers)
        t.match(body, `\nplain_total ${n}\n`)
        t.match(body, `\nbatched_total{rule="a"} ${n}\n`)
        t.match(body, '\ncollected{state="now"} 7\n')
        const isOpen = Object.keys(headers).length > 0
        t.match(body, `# TYPE ${isOpen ? 'plain' : 'plain_total'} counter`)
      }
    }
  },
)

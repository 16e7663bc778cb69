import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { GreenroomError } from '../../src/errors.ts'
import { activeTrace } from '../../src/tracing/spans.ts'
import { startTracing } from '../../src/tracing/start-tracing.ts'
import { sendHalf } from '../support/half-sent-request.ts'
import { startSpanCollector } from '../support/span-collector.ts'
import { apiKey, startApi } from './api-bed.ts'

const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

void t.test('the answer names the trace, a refusal as well, and the open carries it on', async (t) => {
  const api = await startApi(t)
  const tracestate = 'vendor=x,other@v=1'
  const headers = { traceparent: valid, tracestate, 'idempotency-key': 'k' }
  const opened = await api.call('POST', '/v1/sessions', { headers, body: { agentType: 'echo-agent' } })
  t.equal(opened.headers.traceparent, valid)
  t.same(api.opened[0]?.context.trace, { traceparent: valid, tracestate })
  const refused = await api.call('GET', '/v1/nothing', { headers: { ...headers, authorization: '' } })
  t.equal(refused.statusCode, 401)
  t.equal(refused.headers.traceparent, valid)
  const wrong = await api.call('GET', '/v1/pools', { headers: { traceparent: 'nonsense' } })
  t.notOk('traceparent' in wrong.headers)
})

void t.test(
  'with tracing each request of /v1 is a span, and what it does belongs to it, also when its body comes late',
  async (t) => {
    const collector = await startSpanCollector(t)
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url
    const tracing = await startTracing({}, { service: 's', instance: 'i', onOutcome() {}, onChange() {} })
    t.teardown(() => tracing.stop())
    const seen: (string | undefined)[] = []
    const api = await startApi(t, {
      async openSession() {
        seen.push(activeTrace()?.traceparent)
        throw new GreenroomError('GRN_POOL_EMPTY')
      },
    })
    await api.app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = api.app.server.address() as AddressInfo
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const body = JSON.stringify({ agentType: 'echo-agent' })
    const headers = [`authorization: Bearer ${apiKey}`, `traceparent: ${valid}`]
    const half = sendHalf(t, socket, { path: '/v1/sessions', body, headers })
    // By the time that another connection is answered, the head has been read and the body has not.
    await api.call('GET', '/livez')
    const answer = await half.finish()
    const [, ofAnswer] = /traceparent: (\S+)/i.exec(answer) ?? []
    t.match(answer, /^HTTP\/1\.1 503/)
    t.match(ofAnswer, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/)
    t.not(ofAnswer, valid, "it is the server's own place in the trace")
    t.same(seen, [ofAnswer])
    for (const url of ['/v1/sessions?limit=x', '/v1/pools', '/v1/nothing', '/livez'])
      await (
        await fetch(`http://127.0.0.1:${port}${url}`, { headers: { authorization: `Bearer ${apiKey}` } })
      ).text()
    await tracing.stop()
    t.same(
      collector.spans.map(({ name, attributes, status }) => [
        name,
        String(attributes['http.response.status_code']),
        status.code,
      ]),
      [
        ['POST /v1/sessions', '503', 2],
        ['GET /v1/sessions', '400', 0],
        ['GET /v1/pools', '200', 0],
      ],
    )
  },
)

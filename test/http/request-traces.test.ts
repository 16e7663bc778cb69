import t from 'tap'
import { startApi } from './api-bed.ts'

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

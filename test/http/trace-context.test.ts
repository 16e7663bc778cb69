import t from 'tap'
import { traceparentOf } from '../../src/http/trace-context.ts'
import { startApi } from './api-bed.ts'

const trace = '0af7651916cd43dd8448eb211c80319c'
const parent = 'b7ad6b7169203331'
const valid = `00-${trace}-${parent}-01`

void t.test('what is passed on, and what is dropped', (t) => {
  t.equal(traceparentOf(valid), valid)
  t.equal(traceparentOf(`cc-${trace}-${parent}-01`), valid, 'a later version as the one that is known')
  t.equal(traceparentOf(`cc-${trace}-${parent}-01-what-will-be`), valid)
  for (const wrong of [
    undefined,
    '',
    [valid, valid],
    `${valid}-more`,
    `ff-${trace}-${parent}-01`,
    `00-${'0'.repeat(32)}-${parent}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${parent}-01`,
    `00-${trace}-${parent}`,
    `00-${trace}-${parent}-1`,
    `00-${trace}-${parent}-01\r\nx: y`,
    `cc-${trace}-${parent}-01-${'x'.repeat(200)}`,
  ])
    t.equal(traceparentOf(wrong), undefined, String(wrong))
  t.end()
})

void t.test('the answer names the trace, a refusal as well, and the open carries it on', async (t) => {
  const api = await startApi(t)
  const headers = { traceparent: valid, 'idempotency-key': 'k' }
  const opened = await api.call('POST', '/v1/sessions', { headers, body: { agentType: 'echo-agent' } })
  t.equal(opened.headers.traceparent, valid)
  t.equal(api.opened[0]?.context.traceparent, valid)
  const refused = await api.call('GET', '/v1/nothing', { headers: { ...headers, authorization: '' } })
  t.equal(refused.statusCode, 401)
  t.equal(refused.headers.traceparent, valid)
  const wrong = await api.call('GET', '/v1/pools', { headers: { traceparent: 'nonsense' } })
  t.notOk('traceparent' in wrong.headers)
})

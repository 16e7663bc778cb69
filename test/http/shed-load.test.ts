import t from 'tap'
import type { Overload } from '../../src/serving/overload.ts'
import { browserTokens, isProblem, knownId, startApi, tokens } from './api-bed.ts'

const path = `/v1/sessions/${knownId}`

void t.test('too much to do: opens and lists are refused first, what sessions need goes on', async (t) => {
  let overload: Overload | undefined
  const api = await startApi(t, { overload: () => overload })
  const canWait = [
    ['POST', '/v1/sessions', { agentType: 'echo-agent' }],
    ['GET', '/v1/sessions'],
    ['GET', '/v1/pools'],
    ['GET', '/v1/pools/echo-agent'],
    ['GET', '/v1/usage?from=2026-01-01&to=2026-02-01'],
    ['GET', '/v1/limits'],
  ] as const
  for (const cause of ['event-loop', 'database'] as const) {
    overload = cause
    for (const [method, url, body] of canWait) {
      const answer = await api.call(method, url, { body })
      isProblem(t, answer, 'GRN_SERVER_BUSY', 503)
      t.equal(answer.headers['retry-after'], '1')
    }
  }
  t.match((await api.metrics.requestsShed.get()).values, [
    { labels: { cause: 'event-loop' }, value: canWait.length },
    { labels: { cause: 'database' }, value: canWait.length },
  ])
  t.same(api.opened, [])
  for (const [method, url, body] of [
    ['GET', path],
    ['POST', `${path}/renew`, { epoch: 3 }],
    ['POST', `${path}/token`],
    ['PUT', '/v1/projects/tea/limits', { maxSessions: 1 }],
    ['GET', '/livez'],
    ['GET', '/readyz'],
    ['DELETE', path],
  ] as const)
    t.match((await api.call(method, url, { body })).statusCode, /^20[02]$/, `${method} ${url}`)
  for (const token of [tokens.mint(knownId, 3), browserTokens.mint(knownId).token]) {
    const headers = { authorization: `Bearer ${token}` }
    t.equal((await api.call('POST', `${path}/renew`, { headers, body: { epoch: 3 } })).statusCode, 200)
  }
  overload = undefined
  t.equal((await api.call('GET', '/v1/sessions')).statusCode, 200)
})

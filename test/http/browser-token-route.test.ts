import t from 'tap'
import {
  browserTokens,
  isProblem,
  knownId,
  livekit,
  newSession,
  startApi,
  tokens,
  unknownId,
} from './api-bed.ts'

const path = `/v1/sessions/${knownId}`
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
const own = bearer(browserTokens.mint(knownId).token)

void t.test('a backend gets a token with the open, or for a session that is there', async (t) => {
  const api = await startApi(t)
  // With a key: an injected answer counts as not written, and its session would end.
  const headers = { 'idempotency-key': 'k' }
  const plain = await api.call('POST', '/v1/sessions', { headers, body: { agentType: 'echo-agent' } })
  t.notOk('browserToken' in plain.json())
  const open = await api.call('POST', '/v1/sessions', {
    headers,
    body: { agentType: 'echo-agent', browserToken: true },
  })
  t.same(browserTokens.verify(open.json().browserToken.token), { sessionId: knownId })
  const minted = await api.call('POST', `${path}/browser-token`, { body: { expiresInSeconds: 60 } })
  t.equal(minted.statusCode, 200)
  const { token, expiresAt } = minted.json()
  t.same(browserTokens.verify(token), { sessionId: knownId })
  t.ok(Math.abs(Date.parse(expiresAt) - Date.now() - 60_000) < 30_000)
  for (const body of [{ expiresInSeconds: 59 }, { expiresInSeconds: 86_401 }, { more: 1 }, []])
    isProblem(t, await api.call('POST', `${path}/browser-token`, { body }), 'GRN_INVALID_REQUEST', 400)
})

void t.test('there is none for a session that is over or unknown', async (t) => {
  const api = await startApi(t)
  const mint = (id: string) => api.call('POST', `/v1/sessions/${id}/browser-token`, { body: {} })
  isProblem(t, await mint(unknownId), 'GRN_SESSION_NOT_FOUND', 404)
  isProblem(t, await mint('..%00'), 'GRN_SESSION_NOT_FOUND', 404)
  api.rows.set(knownId, newSession({ status: 'ENDING' }))
  isProblem(t, await mint(knownId), 'GRN_SESSION_OVER', 409)
})

void t.test(
  'the browser reads, renews, joins and ends its session, as the caller, without pod and metadata',
  async (t) => {
    const api = await startApi(t)
    api.rows.set(knownId, newSession({ metadata: { prompt: 'for the agent' } }))
    const answers = [
      await api.call('GET', path, own),
      await api.call('POST', `${path}/renew`, { ...own, body: { epoch: 3 } }),
      await api.call('POST', `${path}/token`, own),
      await api.call('DELETE', `${path}?epoch=3&reason=bye`, own),
    ]
    for (const answer of answers) {
      t.match(answer.statusCode, /^20[02]$/)
      t.match(answer.json(), { id: knownId })
      t.notOk('pod' in answer.json() || 'metadata' in answer.json())
    }
    t.match(answers[2]?.json(), { livekit })
    t.match(api.calls, [['await'], ['renew', knownId, 3, 'caller'], ['close', knownId, 'caller', 3]])
  },
)

void t.test('it is good for nothing else', async (t) => {
  const api = await startApi(t)
  const other = `/v1/sessions/${unknownId}`
  for (const [method, url, body] of [
    ['POST', `${path}/joined`, { epoch: 3 }],
    ['POST', `${path}/browser-token`, {}],
    ['GET', other],
    ['POST', `${other}/renew`, { epoch: 3 }],
    ['POST', `${other}/token`],
    ['DELETE', other],
    ['GET', '/v1/sessions'],
    ['POST', '/v1/sessions', { agentType: 'echo-agent' }],
    ['GET', '/v1/pools'],
    ['GET', '/v1/usage?from=2026-01-01&to=2026-02-01'],
    ['GET', '/v1/limits'],
    ['GET', '/openapi.json'],
  ] as const)
    isProblem(t, await api.call(method, url, { ...own, body }), 'GRN_UNAUTHENTICATED', 401)
  const expired = bearer(browserTokens.mint(knownId, -1).token)
  isProblem(t, await api.call('GET', path, expired), 'GRN_UNAUTHENTICATED', 401)
  // The agent's own token is none for a read.
  isProblem(t, await api.call('GET', path, bearer(tokens.mint(knownId, 3))), 'GRN_UNAUTHENTICATED', 401)
  t.same(api.calls, [])
})

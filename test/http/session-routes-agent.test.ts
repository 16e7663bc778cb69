import t from 'tap'
import { isProblem, knownId, livekit, newSession, startApi, tokens } from './api-bed.ts'

void t.test('an agent reports its join, and only an agent', async (t) => {
  const api = await startApi(t)
  const headers = { authorization: `Bearer ${tokens.mint(knownId, 3)}` }
  const url = `/v1/sessions/${knownId}/joined`
  const joined = await api.call('POST', url, { headers, body: { epoch: 9 } })
  t.match(joined, { statusCode: 200 })
  t.match(joined.json(), { id: knownId, agentJoinedAt: '1970-01-01T00:00:00.001Z' })
  t.strictSame(api.calls.at(-1), ['joined', knownId, 3], "the token's epoch, whatever the body says")
  isProblem(t, await api.call('POST', url, { body: { epoch: 3 } }), 'GRN_UNAUTHENTICATED', 401, /agent/)
})

void t.test('an agent gets a fresh token of its own, also before its session is ACTIVE', async (t) => {
  const access = (holder: string) => async () => ({ ...livekit, token: holder })
  const api = await startApi(t, {
    roomAccess: { forParticipant: access('participant'), forAgent: access('agent') },
  })
  const url = `/v1/sessions/${knownId}/token`
  const headers = { authorization: `Bearer ${tokens.mint(knownId, 3)}` }
  t.match((await api.call('POST', url, { headers })).json(), { livekit: { token: 'agent' } })
  t.match((await api.call('POST', url)).json(), { livekit: { token: 'participant' } })
  api.rows.set(knownId, newSession({ status: 'PENDING' }))
  t.match((await api.call('POST', url, { headers })).json(), { livekit: { token: 'agent' } })
  isProblem(t, await api.call('POST', url), 'GRN_SESSION_OVER', 409, /PENDING/)
  const stale = { authorization: `Bearer ${tokens.mint(knownId, 2)}` }
  isProblem(t, await api.call('POST', url, { headers: stale }), 'GRN_STALE_EPOCH', 409)
  api.rows.set(knownId, newSession({ status: 'ENDED', endReason: 'ended:caller' }))
  isProblem(t, await api.call('POST', url, { headers }), 'GRN_SESSION_OVER', 409)
})

void t.test('an agent says why it ends its session; a caller has no words to add', async (t) => {
  const api = await startApi(t)
  const headers = { authorization: `Bearer ${tokens.mint(knownId, 3)}` }
  const url = `/v1/sessions/${knownId}?reason=${encodeURIComponent('the caller said goodbye ✓')}`
  t.equal((await api.call('DELETE', url, { headers })).statusCode, 202)
  t.strictSame(api.calls.at(-1), ['close', knownId, 'agent', 3, 'the caller said goodbye ✓'])
  t.equal((await api.call('DELETE', url)).statusCode, 202)
  t.strictSame(api.calls.at(-1), ['close', knownId, 'caller', undefined])
  for (const reason of ['', 'x'.repeat(201), 'a\u0000b', 'a\nb'])
    isProblem(
      t,
      await api.call('DELETE', `/v1/sessions/${knownId}?reason=${encodeURIComponent(reason)}`, { headers }),
      'GRN_INVALID_REQUEST',
      400,
    )
})

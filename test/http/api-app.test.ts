import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { GreenroomError } from '../../src/errors.ts'
import { sendHalf } from '../support/half-sent-request.ts'
import {
  type Api,
  apiKey,
  isProblem,
  knownId,
  newSession,
  otherApiKey,
  startApi,
  tokens,
  unknownId,
} from './api-bed.ts'

const open = { agentType: 'echo-agent' }

void t.test('/v1 needs a key, whatever way its address is written', async (t) => {
  const api = await startApi(t)
  for (const authorization of [
    '',
    'Bearer',
    'Bearer ',
    'Bearer wrong',
    `Basic ${apiKey}`,
    apiKey,
    `Bearer ${apiKey}x`,
  ]) {
    const answer = await api.app.inject({ url: '/v1/sessions', headers: { authorization } })
    isProblem(t, answer, 'GRN_UNAUTHENTICATED', 401)
    t.equal(answer.headers['www-authenticate'], 'Bearer realm="greenroom"')
    t.notMatch(answer.body, /the-first-key/)
  }
  for (const url of [
    '/%761/sessions',
    '/v%31/sessions',
    '/v1%2fsessions',
    'http://host/v1/sessions',
    '/v1/nothing',
  ]) {
    const answer = await api.app.inject({ url })
    t.ok([401, 404].includes(answer.statusCode), `${url}: ${answer.statusCode}`)
  }
  const raw = await rawRequest(
    api.app,
    'GET http://host/v1/sessions HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
  )
  t.match(raw, /^HTTP\/1\.1 401 /, 'absolute form')
  t.match(
    await rawRequest(api.app, 'GET /%761/pools HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1\.1 401 /,
  )
  for (const key of [apiKey, otherApiKey]) {
    const answer = await api.call('GET', '/v1/sessions', { headers: { authorization: `bearer ${key}` } })
    t.equal(answer.statusCode, 200)
  }
})

void t.test('a session token renews, joins and ends its own session only', async (t) => {
  const api = await startApi(t)
  const authorization = `Bearer ${tokens.mint(knownId, 3)}`
  const headers = { authorization }
  const renew = await api.call('POST', `/v1/sessions/${knownId}/renew`, { headers, body: { epoch: 9 } })
  t.equal(renew.statusCode, 200)
  t.strictSame(api.calls.at(-1), ['renew', knownId, 3, 'agent'], "the token's epoch, whatever the body says")
  const stale = { authorization: `Bearer ${tokens.mint(knownId, 2)}` }
  isProblem(
    t,
    await api.call('POST', `/v1/sessions/${knownId}/renew`, { headers: stale, body: { epoch: 3 } }),
    'GRN_STALE_EPOCH',
    409,
  )
  for (const [method, url, body] of [
    ['POST', `/v1/sessions/${unknownId}/renew`, { epoch: 3 }],
    ['DELETE', `/v1/sessions/${unknownId}`, undefined],
    ['GET', `/v1/sessions/${knownId}`, undefined],
    ['POST', `/v1/sessions/${unknownId}/token`, undefined],
    ['POST', `/v1/sessions/${unknownId}/joined`, { epoch: 3 }],
    ['GET', '/v1/sessions', undefined],
    ['POST', '/v1/sessions', open],
    ['GET', '/v1/pools', undefined],
  ] as const) {
    isProblem(t, await api.call(method, url, { headers, body }), 'GRN_UNAUTHENTICATED', 401)
  }
  t.equal((await api.call('DELETE', `/v1/sessions/${knownId}?epoch=1`, { headers })).statusCode, 202)
  t.strictSame(api.calls.at(-1), ['close', knownId, 'agent', 3])
})

void t.test('a renewal is answered alike, and says whether it was this party’s to make', async (t) => {
  const api = await startApi(t)
  const url = `/v1/sessions/${knownId}/renew`
  const agent = { authorization: `Bearer ${tokens.mint(knownId, 3)}` }
  for (const [leaseHeldBy, caller, byAgent] of [
    ['both', true, true],
    ['caller', true, false],
    ['agent', false, true],
  ] as const) {
    api.rows.set(knownId, newSession({ leaseHeldBy }))
    const asCaller = await api.call('POST', url, { body: { epoch: 3 } })
    t.match(asCaller, { statusCode: 200 })
    t.match(asCaller.json().lease, { heldBy: leaseHeldBy, extended: caller, renewAfterMs: 20_000 })
    // A body cannot say who it comes from: there is no such key, and the credential is what counts.
    isProblem(
      t,
      await api.call('POST', url, { headers: agent, body: { epoch: 3, by: 'caller' } }),
      'GRN_INVALID_REQUEST',
      400,
    )
    const asAgent = await api.call('POST', url, { headers: agent, body: { epoch: 3 } })
    t.match(asAgent, { statusCode: 200 })
    t.match(asAgent.json().lease, { heldBy: leaseHeldBy, extended: byAgent })
    t.strictSame(
      api.calls.slice(-2).map((call) => call.at(-1)),
      ['caller', 'agent'],
    )
  }
  t.notOk('extended' in (await api.call('GET', `/v1/sessions/${knownId}`)).json().lease)
})

void t.test('open answers 201 with its headers, 200 when replayed', async (t) => {
  const api = await startApi(t)
  const created = await api.call('POST', '/v1/sessions', {
    body: { ...open, metadata: { 'a\nb': [1, null], constructor: 'x' } },
  })
  t.equal(created.statusCode, 201)
  t.equal(created.headers.location, `/v1/sessions/${knownId}`)
  t.equal(created.headers['server-timing'], 'reserve;dur=0.50, commit;dur=1.25')
  t.match(created.json(), { id: knownId, livekit: { token: 'livekit-token' } })
  t.strictSame(
    created.json().metadata,
    { 'a\nb': [1, null], constructor: 'x' },
    'metadata comes back as it was sent',
  )
  t.notMatch(created.body, /never shown/)
  const replayed = await api.call('POST', '/v1/sessions', {
    body: open,
    headers: { 'idempotency-key': 'again' },
  })
  t.equal(replayed.statusCode, 200)
  t.equal(api.opened.at(-1)?.context.idempotencyKey, 'again')
  t.match(
    await api.call('POST', '/v1/sessions', {
      body: open,
      headers: { 'content-type': 'Application/JSON; charset=utf-8' },
    }),
    { statusCode: 201 },
  )
})

void t.test(
  'a caller that hangs up before its answer: without a key the session ends, with a key it waits',
  async (t) => {
    for (const [headers, hangsUp, ended] of [
      ['', true, true],
      ['Idempotency-Key: k\r\n', true, false],
      ['', false, false],
    ] as const) {
      const opening = Promise.withResolvers<void>()
      const opened = Promise.withResolvers<void>()
      const api = await startApi(t, {
        async openSession() {
          opening.resolve()
          await opened.promise
          return { session: newSession(), livekit: undefined, replayed: false, stagesMs: {} }
        },
      })
      await api.app.listen({ port: 0, host: '127.0.0.1' })
      const { port } = api.app.server.address() as { port: number }
      const socket = connect(port, '127.0.0.1').on('error', () => undefined)
      const body = JSON.stringify(open)
      socket.write(
        `POST /v1/sessions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${apiKey}\r\nContent-Type: application/json\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`,
      )
      await opening.promise
      if (hangsUp) {
        socket.destroy()
        await until('the server knows it', async () => (await connectionsOf(api.app)) === 0)
      }
      opened.resolve()
      if (hangsUp && ended) await until('the session is ended', () => api.calls.length > 0)
      if (!hangsUp) t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 201 /)
      socket.destroy()
      await until('no connection is left', async () => (await connectionsOf(api.app)) === 0)
      const closes = api.calls.filter(([name]) => name === 'close')
      t.strictSame(closes, ended ? [['close', knownId, 'unanswered', 3]] : [], `${headers} ${hangsUp}`)
    }
  },
)

void t.test('a caller that hangs up while its answer is being written, without a key', async (t) => {
  const opened = Promise.withResolvers<void>()
  const api = await startApi(t, {
    async openSession() {
      opened.resolve()
      // More than the kernel takes from a caller that does not read.
      const session = newSession({ metadata: { x: 'x'.repeat(32 * 1024 * 1024) } })
      return { session, livekit: undefined, replayed: false, stagesMs: {} }
    },
  })
  await api.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = api.app.server.address() as { port: number }
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  const body = JSON.stringify(open)
  socket.write(
    `POST /v1/sessions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${apiKey}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  await opened.promise
  await once(socket, 'readable')
  t.same(api.calls, [])
  socket.destroy()
  await until('the session is ended', () => api.calls.length > 0)
  t.strictSame(api.calls, [['close', knownId, 'unanswered', 3]])
})

void t.test('the livekit token is in answers to open and token only', async (t) => {
  const api = await startApi(t)
  for (const [method, url, body] of [
    ['GET', `/v1/sessions/${knownId}`, undefined],
    ['GET', '/v1/sessions', undefined],
    ['POST', `/v1/sessions/${knownId}/renew`, { epoch: 3 }],
  ] as const) {
    const answer = await api.call(method, url, { body })
    t.equal(answer.statusCode, 200)
    t.notMatch(answer.body, /livekit-token/)
  }
  t.match((await api.call('POST', `/v1/sessions/${knownId}/token`)).json(), {
    livekit: { token: 'livekit-token' },
  })
  t.notMatch((await api.call('DELETE', `/v1/sessions/${knownId}`)).body, /livekit-token/)
  isProblem(t, await api.call('POST', `/v1/sessions/${knownId}/token`), 'GRN_SESSION_OVER', 409, /ENDING/)
})

void t.test('ends: 202, again 202, 200 once it is ENDED within the wait', async (t) => {
  const api = await startApi(t)
  const url = `/v1/sessions/${knownId}`
  t.equal((await api.call('DELETE', url)).statusCode, 202)
  t.equal(
    (await api.call('DELETE', url, { headers: { 'content-type': 'application/json' } })).statusCode,
    202,
  )
  t.equal(
    (await api.call('DELETE', `${url}?wait=true`)).statusCode,
    202,
    'still ENDING when the wait is over',
  )
  isProblem(t, await api.call('DELETE', `${url}?epoch=2`), 'GRN_STALE_EPOCH', 409)
  const ended = await startApi(t, { awaitSession: async () => newSession({ status: 'ENDED' }) })
  t.equal((await ended.call('DELETE', `${url}?wait=true`)).statusCode, 200)
})

void t.test('refusals of the use cases keep their code and say when to try again', async (t) => {
  const refused = new GreenroomError('GRN_POOL_EMPTY', undefined, { retryAfterMs: 1_200 })
  const api = await startApi(t, { openSession: () => Promise.reject(refused) })
  const answer = await api.call('POST', '/v1/sessions', { body: open })
  isProblem(t, answer, 'GRN_POOL_EMPTY', 503)
  t.equal(answer.headers['retry-after'], '2', 'whole seconds, rounded up')
  t.equal(answer.json().retryAfterMs, 1_200)
  const broken = await startApi(t, { openSession: () => Promise.reject(new Error('password=hunter2')) })
  const inside = await broken.call('POST', '/v1/sessions', { body: open })
  isProblem(t, inside, 'GRN_INTERNAL', 500)
  t.notMatch(inside.body, /hunter2/)
  const nothing = await startApi(t, { openSession: () => Promise.reject(null as never) })
  t.equal((await nothing.call('POST', '/v1/sessions', { body: open })).statusCode, 500)
})

void t.test('what Node cannot read is answered as a problem too', async (t) => {
  const api = await startApi(t)
  const long = await rawRequest(api.app, `GET /v1/${'x'.repeat(20_000)} HTTP/1.1\r\nHost: h\r\n\r\n`)
  t.match(long, /^HTTP\/1\.1 431 /)
  t.match(long, /application\/problem\+json[\s\S]*GRN_HEADERS_TOO_LARGE[\s\S]*16 KiB/)
  t.match(await rawRequest(api.app, 'what is this\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*GRN_INVALID_REQUEST/)
})

void t.test('unknown sessions, ids of another form, endless and undecodable addresses', async (t) => {
  const api = await startApi(t)
  const ids = [
    unknownId,
    'x',
    knownId.toUpperCase(),
    `${knownId}0`,
    '%00',
    "';DROP TABLE sessions",
    '..%2f..',
    '__proto__',
  ]
  for (const id of ids.map((id) => encodeURIComponent(decodeURIComponent(id)))) {
    isProblem(t, await api.call('DELETE', `/v1/sessions/${id}`), 'GRN_SESSION_NOT_FOUND', 404)
    isProblem(t, await api.call('POST', `/v1/sessions/${id}/token`), 'GRN_SESSION_NOT_FOUND', 404)
    const renewed = await api.call('POST', `/v1/sessions/${id}/renew`, { body: { epoch: 1 } })
    isProblem(t, renewed, 'GRN_SESSION_NOT_FOUND', 404)
    isProblem(t, await api.call('GET', `/v1/sessions/${id}`), 'GRN_SESSION_NOT_FOUND', 404)
  }
  for (const url of [
    '/v1/sessions/%ff',
    '/v1/sessions/%',
    `/v1/sessions/${'x'.repeat(9_000)}`,
    `/v1/pools/${'x'.repeat(9_000)}`,
  ]) {
    const answer = await api.call('GET', url)
    t.ok([400, 404].includes(answer.statusCode), `${answer.statusCode} ${answer.body.slice(0, 200)}`)
    t.match(answer.headers['content-type'], /problem\+json/)
    t.match(answer.json().code, /^GRN_/)
  }
  for (const type of ['nothing', '__proto__', 'constructor', 'toString'])
    isProblem(t, await api.call('GET', `/v1/pools/${type}`), 'GRN_UNKNOWN_AGENT_TYPE', 404)
})

void t.test('other methods: HEAD is GET without a body, the rest does not exist', async (t) => {
  const api = await startApi(t)
  t.match(await api.call('HEAD', `/v1/sessions/${knownId}`), { statusCode: 200, body: '' })
  t.match(await api.call('HEAD', `/v1/sessions/${unknownId}`), { statusCode: 404 })
  for (const [method, url] of [
    ['PUT', '/v1/sessions'],
    ['PATCH', `/v1/sessions/${knownId}`],
    ['DELETE', '/v1/sessions'],
    ['POST', '/v1/pools'],
  ] as const) {
    isProblem(t, await api.call(method, url), 'GRN_METHOD_NOT_ALLOWED', 405, new RegExp(method))
  }
  isProblem(t, await api.call('GET', '/v1/sessions/a/b/c'), 'GRN_NOT_FOUND', 404, /GET/)
  isProblem(t, await api.call('GET', '/nothing', { headers: { authorization: '' } }), 'GRN_NOT_FOUND', 404)
})

void t.test('what comes over a kept connection while the server closes is served, not refused', async (t) => {
  const api = await startApi(t)
  await api.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = api.app.server.address() as { port: number }
  const begun = once(api.app.server, 'request')
  const authorization = `authorization: Bearer ${apiKey}`
  const first = sendHalf(t, connect(port, '127.0.0.1'), {
    path: '/v1/sessions',
    body: JSON.stringify(open),
    headers: [authorization],
  })
  await begun
  const closed = api.app.close()
  await until('no new connection to be taken', () => !api.app.server.listening)
  const answers = await first.finish(
    `GET /v1/sessions/${knownId} HTTP/1.1\r\nhost: x\r\n${authorization}\r\n\r\n`,
    2,
  )
  t.same(answers.match(/HTTP\/1\.1 \d{3}/g), ['HTTP/1.1 201', 'HTTP/1.1 200'])
  await closed
})

async function rawRequest(app: Awaited<ReturnType<typeof startApi>>['app'], text: string): Promise<string> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as { port: number }
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    answer += chunk
  })
  socket.on('error', () => undefined)
  socket.end(text)
  await once(socket, 'close')
  return answer
}

function connectionsOf(app: Api['app']): Promise<number> {
  return new Promise((resolve, reject) => {
    app.server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })
}

import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { type ClientSession, createClient, GreenroomApiError } from '../../src/client/client.ts'
import {
  type Answer,
  cuts,
  cutsHalfway,
  hangs,
  id,
  refuses,
  sends,
  sessionWith,
  startMisbehavingServer,
} from './misbehaving-server.ts'

const open = 'POST /v1/sessions'
const renew = 'POST /v1/sessions/:id/renew'
const request = { agentType: 'echo-agent' }
const opened = sends(201, sessionWith())
const page = sends(502, '<html>Bad gateway</html>', { 'content-type': 'text/html' })

const failure = async (promise: Promise<unknown>): Promise<GreenroomApiError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof GreenroomApiError)) throw new Error('no GreenroomApiError', { cause: error })
  return error
}

void t.test('an open is repeated under one key through every fault that a retry can mend', async (t) => {
  const busy = refuses(503, 'GRN_POOL_EMPTY', { retryAfterMs: 30 })
  const server = await startMisbehavingServer(t, { [open]: [cuts, cutsHalfway, page, busy, opened] })
  await using session = await createClient({ url: server.url, apiKey: 'k' }).open(request)
  t.equal(session.id, id)
  t.equal(session.pod?.name, 'p')
  const keys = server.asked.filter(({ path }) => path === '/v1/sessions').map(({ key }) => key)
  t.equal(keys.length, 5)
  t.equal(new Set(keys).size, 1)
  t.match(keys[0], /^[0-9a-f]{32}$/)
})

void t.test(
  "all tries of an open are one trace: the caller's, or one that begins here undecided",
  async (t) => {
    const server = await startMisbehavingServer(t, { [open]: [cuts, page, opened] })
    const client = createClient({ url: server.url })
    const opensOf = async (traceparent?: string) => {
      const from = server.asked.length
      await using _session = await client.open(request, { traceparent })
      return server.asked.slice(from).filter(({ path }) => path === '/v1/sessions')
    }
    const [first, ...others] = await opensOf()
    t.match(first?.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    t.equal(first?.tracestate, 'greenroom=new', 'the server decides whether it is kept')
    t.equal(others.length, 2)
    for (const { traceparent, tracestate } of others)
      t.same([traceparent, tracestate], [first?.traceparent, first?.tracestate])
    t.not((await opensOf())[0]?.traceparent, first?.traceparent, 'another open is another trace')
    const own = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    t.match(await opensOf(own), [{ traceparent: own, tracestate: undefined }])

    // What @opentelemetry/api does when a program registers an SDK: the program's own instrumentation says the trace.
    const registered = Symbol.for('opentelemetry.js.api.1')
    Object.assign(globalThis, { [registered]: {} })
    t.teardown(() => Reflect.deleteProperty(globalThis, registered))
    t.match(await opensOf(), [{ traceparent: undefined, tracestate: undefined }])
  },
)

void t.test('what a retry cannot mend is thrown at once, with all that the server told', async (t) => {
  const server = await startMisbehavingServer(t, { [open]: [refuses(401, 'GRN_UNAUTHENTICATED')] })
  const error = await failure(createClient({ url: `${server.url}/` }).open(request))
  t.match(error, {
    code: 'GRN_UNAUTHENTICATED',
    status: 401,
    retryable: false,
    remediation: 'R',
    requestId: 'q-1',
  })
  t.equal(server.asked.length, 1)
})

void t.test('no time left for another try: the real reason, before the deadline', async (t) => {
  const server = await startMisbehavingServer(t, {
    [open]: [refuses(503, 'GRN_POOL_EMPTY', { retryAfterMs: 9_000 })],
  })
  const began = performance.now()
  const error = await failure(createClient(server).open(request, { requestTimeoutMs: 3_000 }))
  t.match(error, { code: 'GRN_POOL_EMPTY', retryable: true, retryAfterMs: 9_000 })
  t.ok(performance.now() - began < 1_500)
  t.equal(server.asked.length, 1)
})

void t.test("a proxy's Retry-After counts", async (t) => {
  const slow = sends(503, 'wait', { 'retry-after': '1', 'content-type': 'text/plain' })
  const server = await startMisbehavingServer(t, { [open]: [slow, opened] })
  const began = performance.now()
  await using _ = await createClient(server).open(request)
  t.ok(performance.now() - began >= 1_000)
})

void t.test('a page in the place of an answer', async (t) => {
  const server = await startMisbehavingServer(t, {
    [open]: [sends(200, '<html>Log in</html>', { 'content-type': 'text/html' })],
  })
  const error = await failure(createClient(server).open(request))
  t.match(error, { code: 'GRN_CLIENT_BAD_ANSWER', retryable: false, message: /Log in/ })
})

void t.test('a caller that leaves is told at once, and what comes too late is ended', async (t) => {
  const late: Answer = (response, asked) => setTimeout(() => opened(response, asked), 300)
  for (const [how, answers] of Object.entries({ late: [late], cut: [cutsHalfway, opened] })) {
    const server = await startMisbehavingServer(t, { [open]: answers })
    const leaving = new AbortController()
    const opening = createClient(server).open(request, { signal: leaving.signal })
    await until('the open', () => server.count(open) === 1)
    leaving.abort(new Error('changed my mind'))
    await t.rejects(opening, { message: 'changed my mind' }, how)
    await until(`${how}: its end`, () => server.count('DELETE') === 1)
  }
  const server = await startMisbehavingServer(t, { [open]: [late] })
  const error = await failure(createClient(server).open(request, { requestTimeoutMs: 100 }))
  t.match(error, { code: 'GRN_CLIENT_TIMEOUT', retryable: true })
  await until('its end', () => server.count('DELETE') === 1)
  await t.rejects(createClient(server).open(request, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  t.equal(server.count(open), 1, 'nothing was asked for a caller that had left before')
})

void t.test('a caller that leaves between two tries causes no further one', async (t) => {
  const server = await startMisbehavingServer(t, {
    [open]: [refuses(503, 'GRN_POOL_EMPTY', { retryAfterMs: 400 })],
  })
  const error = await failure(
    createClient(server)
      .open(request, { signal: AbortSignal.timeout(200) })
      .catch((reason: unknown) => {
        throw reason instanceof DOMException ? new GreenroomApiError('left', { code: 'LEFT' }) : reason
      }),
  )
  t.equal(error.code, 'LEFT')
  await new Promise((resolve) => setTimeout(resolve, 800))
  t.equal(server.count(open), 1)
})

void t.test('a cold open waits for its pod, through changes of the epoch', async (t) => {
  const { pod: _pod, ...cold } = sessionWith({ status: 'PENDING' })
  const server = await startMisbehavingServer(t, {
    [open]: [sends(202, cold)],
    'GET /v1/sessions/:id': [sends(200, { ...cold, epoch: 2 }), page, sends(200, sessionWith({ epoch: 3 }))],
  })
  await using session = await createClient(server).open({ ...request, onEmpty: 'cold' })
  t.match(session.view, { status: 'ACTIVE', epoch: 3 })
  t.match(server.asked[1]?.path, 'waitFor=ACTIVE')
})

void t.test('a cold open that gets no pod', async (t) => {
  const cold = sessionWith({ status: 'PENDING' })
  const failed = await startMisbehavingServer(t, {
    [open]: [sends(202, cold)],
    'GET /v1/sessions/:id': [sends(200, { ...cold, status: 'ENDED', endReason: 'failed:pool-empty' })],
  })
  const error = await failure(createClient(failed).open(request))
  t.match(error, { code: 'GRN_CLIENT_OPEN_FAILED', message: /failed:pool-empty/, retryable: true })
  const slow = await startMisbehavingServer(t, {
    [open]: [sends(202, cold)],
    'GET /v1/sessions/:id': [hangs],
  })
  t.match(await failure(createClient(slow).open(request, { requestTimeoutMs: 400 })), {
    code: 'GRN_CLIENT_TIMEOUT',
  })
  await until('its end', () => slow.count('DELETE') === 1)
})

const quick = (changes: object = {}) =>
  sessionWith({ lease: { ...sessionWith().lease, renewAfterMs: 50 }, ...changes })

async function openQuick(url: string): Promise<ClientSession> {
  return createClient({ url }).open(request)
}

void t.test('renews with its epoch, through faults, until the server says that it is over', async (t) => {
  const renewed = sends(200, quick())
  const server = await startMisbehavingServer(t, {
    [open]: [sends(201, quick())],
    [renew]: [
      renewed,
      cuts,
      page,
      refuses(503, 'GRN_DATABASE_UNAVAILABLE'),
      renewed,
      refuses(409, 'GRN_SESSION_OVER'),
    ],
    'GET /v1/sessions/:id': [sends(200, quick({ status: 'ENDED', endReason: 'lapsed:max-duration' }))],
  })
  const session = await openQuick(server.url)
  const end = await session.over
  t.match(end, { reason: 'lapsed:max-duration', session: { status: 'ENDED' } })
  t.ok(session.signal.aborted)
  t.match(session.signal.reason, { code: 'GRN_SESSION_OVER', message: /lapsed:max-duration/ })
  t.equal(server.count('POST /v1/sessions/'), 6)
  t.same(server.asked.find(({ path }) => path.endsWith('/renew'))?.body, { epoch: 1 })
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.equal(server.count('POST /v1/sessions/'), 6, 'and no longer')
  t.same(await session.end(), end)
  t.equal(server.count('DELETE'), 0, 'what is over is not ended again')
})

void t.test(
  'a renewal tells that the session is ending, or the session is gone, or it is another attempt’s',
  async (t) => {
    const cases: Record<string, { answers: Record<string, Answer[]>; reason: string | undefined }> = {
      ending: {
        answers: { [renew]: [sends(200, quick({ status: 'ENDING', endReason: 'pod:died' }))] },
        reason: 'pod:died',
      },
      gone: {
        answers: {
          [renew]: [refuses(404, 'GRN_SESSION_NOT_FOUND')],
          'GET /v1/sessions/:id': [refuses(404, 'GRN_SESSION_NOT_FOUND')],
        },
        reason: undefined,
      },
      "another's": {
        answers: {
          [renew]: [refuses(409, 'GRN_STALE_EPOCH')],
          'GET /v1/sessions/:id': [sends(200, quick({ epoch: 2 }))],
        },
        reason: undefined,
      },
    }
    for (const [name, { answers, reason }] of Object.entries(cases)) {
      const server = await startMisbehavingServer(t, { [open]: [sends(201, quick())], ...answers })
      const session = await openQuick(server.url)
      t.equal((await session.over).reason, reason, name)
    }
  },
)

void t.test('leaving the scope ends the session; the server is told once, and renewals stop', async (t) => {
  const server = await startMisbehavingServer(t, {
    [open]: [sends(201, quick())],
    'DELETE /v1/sessions/:id': [page, sends(202, quick({ status: 'ENDING', endReason: 'ended:caller' }))],
  })
  let kept: ClientSession | undefined
  {
    await using session = await openQuick(server.url)
    kept = session
  }
  t.match(await kept.over, { reason: 'ended:caller' })
  t.match(server.asked.at(-1), { method: 'DELETE', path: `/v1/sessions/${id}?epoch=1` })
  const refused = await startMisbehavingServer(t, {
    [open]: [sends(201, quick())],
    'DELETE /v1/sessions/:id': [refuses(401, 'GRN_UNAUTHENTICATED')],
  })
  const session = await openQuick(refused.url)
  t.match(await failure(session.end()), { code: 'GRN_UNAUTHENTICATED' })
  const count = refused.count('POST')
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.equal(refused.count('POST'), count, 'a session that could not be ended is not renewed either')
})

void t.test('a token that is about to expire is replaced by a fresh one', async (t) => {
  const access = (token: string, ms: number) => ({
    livekit: { url: 'ws://l', room: 'r', token, expiresAt: new Date(Date.now() + ms).toISOString() },
  })
  const server = await startMisbehavingServer(t, {
    [open]: [sends(201, sessionWith(access('first', 300_000)))],
    'POST /v1/sessions/:id/token': [
      cuts,
      sends(200, sessionWith(access('second', 600_000))),
      sends(200, sessionWith()),
    ],
  })
  await using session = await createClient(server).open(request)
  t.match(await session.livekit(), { token: 'first' })
  t.match(await session.livekit({ validForMs: 400_000 }), { token: 'second' })
  t.match(await session.livekit({ validForMs: 500_000 }), { token: 'second' })
  t.equal(server.count('POST /v1/sessions/'), 2)
  t.match(await failure(session.livekit({ validForMs: 900_000 })), { code: 'GRN_CLIENT_NO_LIVEKIT' })
})

void t.test('lists and reads sessions and pools', async (t) => {
  const server = await startMisbehavingServer(t, {
    'GET /v1/sessions': [page, sends(200, { sessions: [sessionWith()], nextCursor: 'c' })],
    'GET /v1/pools': [sends(200, { pools: [] })],
    'GET /v1/pools/a%2Fb': [refuses(404, 'GRN_UNKNOWN_AGENT_TYPE')],
  })
  const client = createClient(server)
  t.match(await client.sessions.list({ agentType: 'a b', limit: 5, status: undefined }), { nextCursor: 'c' })
  t.equal(server.asked[0]?.path, '/v1/sessions?agentType=a+b&limit=5')
  t.match(await client.sessions.get(id), { id })
  t.match(await client.sessions.end(id), { id })
  t.same(await client.pools.list(), { pools: [] })
  t.match(await failure(client.pools.get('a/b')), { code: 'GRN_UNKNOWN_AGENT_TYPE' })
  t.notOk(server.asked.some(({ key }) => key))
})

void t.test('fits into a page: at most 10 kB, and nothing of Node', async (t) => {
  const entry = fileURLToPath(new URL('../../src/client/client.ts', import.meta.url))
  const { outputFiles, metafile } = buildSync({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    // Refuses node:*.
    platform: 'browser',
    write: false,
    metafile: true,
  })
  const bytes = outputFiles[0]?.contents.length ?? 0
  t.ok(bytes > 1_000 && bytes <= 10_000, `${bytes} bytes`)
  t.notOk(
    Object.keys(metafile.inputs).some((path) => !path.startsWith('src/client/')),
    'nothing from elsewhere',
  )
})

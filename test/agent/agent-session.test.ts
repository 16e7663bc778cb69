import type { IncomingMessage, ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { createAgentMetrics } from '../../src/agent/agent-metrics.ts'
import { createHeldSession } from '../../src/agent/agent-session.ts'
import { overCodes } from '../../src/agent/session-server.ts'
import type { Assignment } from '../../src/domain/assignment.ts'
import { errorCatalogue } from '../../src/error-catalogue.ts'
import { newAssignment, startHttp } from './contract-fixture.ts'

interface Call {
  readonly line: string
  readonly authorization: string | undefined
  readonly body: string
  readonly at: number
}

/** A session server that answers from a script (its last entry for good) and tells when a number of calls came. */
async function startServer(
  t: Test,
  ...script: ((request: IncomingMessage, response: ServerResponse) => void)[]
) {
  const calls: Call[] = []
  const waiting = new Map<number, () => void>()
  const port = await startHttp(t, (request, response, body) => {
    calls.push({
      line: `${request.method} ${request.url}`,
      authorization: request.headers.authorization,
      body,
      at: performance.now(),
    })
    waiting.get(calls.length)?.()
    const answer = script[Math.min(calls.length, script.length) - 1]
    if (!answer) throw new Error('empty script')
    answer(request, response)
  })
  const called = (count: number): Promise<void> =>
    calls.length >= count ? Promise.resolve() : new Promise((resolve) => waiting.set(count, resolve))
  return { calls, called, apiUrl: `http://127.0.0.1:${port}/` }
}

const answer = (status: number, json: object) => (_request: IncomingMessage, response: ServerResponse) => {
  response.statusCode = status
  response.end(JSON.stringify(json))
}
const renewed = answer(200, { lease: { renewAfterMs: 20 } })

function hold(t: Test, overrides: Partial<Assignment>) {
  const over = Promise.withResolvers<string>()
  const logged: string[] = []
  const session = createHeldSession({
    assignment: newAssignment({ leaseMs: 60, ...overrides }),
    metrics: createAgentMetrics('echo-agent'),
    log: (_level, message, keys) => logged.push(JSON.stringify({ message, ...keys })),
    onOver: over.resolve,
  })
  t.teardown(() => session.stop())
  return { session, over: over.promise, logged }
}

void t.test('the lease is renewed with the session token until stopped', async (t) => {
  const server = await startServer(t, renewed)
  const { session } = hold(t, { apiUrl: server.apiUrl, epoch: 3 })
  t.equal(server.calls.length, 0, 'nothing before the start')
  session.start()
  await server.called(3)
  t.match(server.calls[0], {
    line: `POST /v1/sessions/${session.session.id}/renew`,
    authorization: 'Bearer grs_token_of_the_test',
    body: '{"epoch":3}',
  })
  session.stop()
  t.ok(session.signal.aborted)
})

void t.test(
  'the first renewal comes after a third of the lease, spread by jitter, and the server sets the next',
  async (t) => {
    const server = await startServer(t, answer(200, { lease: { renewAfterMs: 5 } }))
    const { session } = hold(t, { apiUrl: server.apiUrl, leaseMs: 3_000 })
    const startedAt = performance.now()
    session.start()
    await server.called(2)
    const [first, second] = server.calls
    const firstMs = (first?.at ?? 0) - startedAt
    t.ok(firstMs >= 1_000 * 0.9 - 2, `first after ${firstMs} ms, at least 900`)
    t.ok((second?.at ?? 0) - (first?.at ?? 0) < 700, 'the second after what the server said')
  },
)

void t.test(
  'a server that fails is tried again, and its failures are logged without the token',
  async (t) => {
    const cut = (_request: IncomingMessage, response: ServerResponse) => void response.destroy()
    const proxy = answer(404, { message: 'a proxy' })
    const path = answer(404, { code: 'GRN_NOT_FOUND' })
    const server = await startServer(t, answer(503, {}), cut, proxy, path, renewed)
    const { session, logged } = hold(t, { apiUrl: server.apiUrl })
    session.start()
    await server.called(6)
    t.notOk(session.signal.aborted, 'neither a 503 nor a cut nor a foreign 404 ends the session')
    t.match(logged, [
      /"failures":1,"reason":"status 503"/,
      /"failures":2/,
      /"failures":3,"reason":"status 404"/,
      /"failures":4,"reason":"status 404"/,
    ])
    t.notOk(logged.join().includes('grs_'))
  },
)

void t.test('a redirect is not followed: the token goes nowhere else', async (t) => {
  const elsewhere = await startServer(t, renewed)
  const redirect = (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(307, { location: elsewhere.apiUrl }).end()
  }
  const server = await startServer(t, redirect)
  const { session } = hold(t, { apiUrl: server.apiUrl })
  session.start()
  await server.called(2)
  t.equal(elsewhere.calls.length, 0)
})

for (const [status, code] of [
  [404, 'GRN_SESSION_NOT_FOUND'],
  [409, 'GRN_STALE_EPOCH'],
  [410, 'GRN_SESSION_OVER'],
] as const) {
  void t.test(`${status} ${code} ends it`, async (t) => {
    const server = await startServer(t, answer(status, { code }))
    const { session, over } = hold(t, { apiUrl: server.apiUrl })
    session.start()
    t.equal(await over, code)
    t.equal(server.calls.length, 1)
  })
}

void t.test('finish ends the session at the server and stops renewing', async (t) => {
  const server = await startServer(t, answer(503, {}), answer(202, {}))
  const { session } = hold(t, { apiUrl: server.apiUrl, epoch: 2 })
  session.start()
  await session.finish()
  t.ok(session.signal.aborted)
  t.same(
    server.calls.map((call) => call.line),
    Array(2).fill(`DELETE /v1/sessions/${session.session.id}?epoch=2`),
    'tried again after the 503',
  )
  t.equal(server.calls[0]?.authorization, 'Bearer grs_token_of_the_test')
})

void t.test('finish on a session that is over is done; on a server that stays away it fails', async (t) => {
  const over = await startServer(t, answer(409, { code: 'GRN_SESSION_OVER' }))
  await t.resolves(hold(t, { apiUrl: over.apiUrl }).session.finish())
  const away = await startServer(t, answer(500, {}))
  await t.rejects(hold(t, { apiUrl: away.apiUrl }).session.finish(), /status 500/)
  t.equal(away.calls.length, 4)
})

void t.test('without an apiUrl nothing is renewed, and finish says so', async (t) => {
  const { session } = hold(t, {})
  session.start()
  await t.rejects(session.finish(), /no apiUrl/)
})

void t.test('a reason goes with the end, cut to what the server takes', async (t) => {
  const server = await startServer(t, answer(202, {}))
  await hold(t, { apiUrl: server.apiUrl }).session.finish(`said\ngoodbye & left ${'x'.repeat(300)}`)
  const reason = new URL(server.calls[0]?.line.split(' ')[1] ?? '', server.apiUrl).searchParams.get('reason')
  t.equal(reason, `said goodbye & left ${'x'.repeat(180)}`)
})

void t.test('joined returns at once, is reported once, and again while the server is away', async (t) => {
  const server = await startServer(t, answer(503, {}), answer(200, {}))
  const { session, logged } = hold(t, { apiUrl: server.apiUrl, epoch: 4 })
  session.joined()
  session.joined()
  t.equal(server.calls.length, 0, 'nobody waited')
  await server.called(2)
  t.same(
    server.calls.map(({ line, body }) => [line, body]),
    Array(2).fill([`POST /v1/sessions/${session.session.id}/joined`, '{"epoch":4}']),
  )
  t.match(logged, [/"joined not reported".*"status 503"/])
})

void t.test('a report of joined that is answered "over" ends the session', async (t) => {
  const server = await startServer(t, answer(410, { code: 'GRN_SESSION_OVER' }))
  const { session, over } = hold(t, { apiUrl: server.apiUrl })
  session.joined()
  t.equal(await over, 'GRN_SESSION_OVER')
})

const access = (token: string) => ({ url: 'ws://l', room: 'r', token, expiresAt: '2030-01-01T00:00:00Z' })

void t.test('a fresh room token: asked for, or brought by a repeated assignment', async (t) => {
  const server = await startServer(t, answer(200, { livekit: access('b') }), answer(503, {}))
  const { session } = hold(t, { apiUrl: server.apiUrl, livekit: access('a') })
  t.equal(session.livekit.access()?.token, 'a')
  const changed = session.livekit.changed()
  t.same(await Promise.all([session.livekit.refresh(), session.livekit.refresh()]), [
    access('b'),
    access('b'),
  ])
  await changed
  t.same(
    server.calls.map(({ line }) => line),
    [`POST /v1/sessions/${session.session.id}/token`],
    'asked once',
  )
  t.same(await session.livekit.refresh(), access('b'), 'a server that is away leaves the old one')
  session.livekit.replace(undefined)
  t.same(session.livekit.access(), access('b'), 'a repeated assignment without access takes nothing away')
  session.livekit.replace(access('c'))
  t.same(session.livekit.access(), access('c'))
})

void t.test('every hook before the exit runs, and a failure is told', async (t) => {
  const { session } = hold(t, {})
  const ran: string[] = []
  session.beforeExit(() => {
    throw new Error('no')
  })
  session.beforeExit(async () => void ran.push('second'))
  await t.rejects(session.runExitHooks(), AggregateError)
  t.same(ran, ['second'])
})

void t.test('the codes that end a session are in the catalogue', (t) => {
  for (const code of overCodes) t.ok(code in errorCatalogue, code)
  t.end()
})

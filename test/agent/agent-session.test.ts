import type { IncomingMessage, ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { createHeldSession } from '../../src/agent/agent-session.ts'
import type { Assignment } from '../../src/domain/assignment.ts'
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
    line: `POST /v1/sessions/${session.id}/renew`,
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
    Array(2).fill(`DELETE /v1/sessions/${session.id}?epoch=2`),
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

import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { GreenroomError } from '../../src/errors.ts'
import { createService, type ServiceOptions } from '../../src/serving/service.ts'
import { isProblem } from '../http/api-bed.ts'
import { keptLog, silent } from '../support/kept-log.ts'

function start(options: Partial<ServiceOptions> = {}) {
  const { logger, lines } = keptLog()
  const app = createService({ logger, ...options })
  let thrown: unknown
  app.get('/thrown', async () => {
    throw thrown
  })
  app.post('/taken', async () => ({ taken: true }))
  t.teardown(() => app.close())
  const failWith = async (error: unknown) => {
    thrown = error
    const answer = await app.inject({ url: '/thrown?key=secret' })
    return { answer, logged: JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> }
  }
  return { app, lines, failWith }
}

const levels = { info: 30, error: 50 }

void t.test('an error is logged by what it means for us, and answered as a problem', async (t) => {
  const refusedCodes: string[] = []
  const { failWith } = start({ onRefused: ({ code }) => refusedCodes.push(code) })
  const inside = await failWith(new Error('password=hunter2'))
  isProblem(t, inside.answer, 'GRN_INTERNAL', 500)
  t.match(inside.logged, {
    level: levels.error,
    code: 'GRN_INTERNAL',
    path: '/thrown',
    err: { type: 'Error' },
  })
  t.notMatch(inside.answer.body, /hunter2/)
  const expected = await failWith(new GreenroomError('GRN_POOL_EMPTY', undefined, { retryAfterMs: 1_001 }))
  isProblem(t, expected.answer, 'GRN_POOL_EMPTY', 503)
  t.equal(expected.answer.headers['retry-after'], '2')
  t.match(expected.logged, { level: levels.info, code: 'GRN_POOL_EMPTY' })
  const refused = await failWith(new GreenroomError('GRN_UNAUTHENTICATED'))
  isProblem(t, refused.answer, 'GRN_UNAUTHENTICATED', 401)
  t.equal(refused.answer.headers['www-authenticate'], 'Bearer realm="greenroom"')
  t.match(refused.logged, { level: levels.info, requestId: /^[0-9a-f-]{36}$/ })
  t.notMatch(JSON.stringify(refused.logged), /secret/, 'the query is not logged')
  t.same(refusedCodes, ['GRN_INTERNAL', 'GRN_POOL_EMPTY', 'GRN_UNAUTHENTICATED'])
})

void t.test('requests that reach no route are answered as problems too', async (t) => {
  const { app } = start()
  isProblem(t, await app.inject({ url: '/nothing?x=1' }), 'GRN_NOT_FOUND', 404, /GET \/nothing does not/)
  isProblem(t, await app.inject({ url: '/%ff' }), 'GRN_INVALID_REQUEST', 400)
  const other = start({ badAddress: 'GRN_NOT_FOUND' })
  isProblem(t, await other.app.inject({ url: '/%ff' }), 'GRN_NOT_FOUND', 404)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  socket.end('what is this\r\n\r\n')
  const [received] = (await once(socket.setEncoding('utf8'), 'data')) as [string]
  t.equal(/X-Request-Id: (\S+)/.exec(received)?.[1], /"requestId":"([^"]+)"/.exec(received)?.[1])
  t.match(received, /^HTTP\/1\.1 400 [\s\S]*application\/problem\+json[\s\S]*GRN_INVALID_REQUEST/)
})

void t.test(
  "a request has one id in its answer, its problem and its log: the caller's own, or a new one",
  async (t) => {
    const { app, lines, failWith } = start()
    const ask = (url: string, id?: string) =>
      app.inject({ url, headers: id === undefined ? {} : { 'x-request-id': id } })
    for (const own of [
      '4bf92f3577b34da6',
      '0a1b2c3d-0000-4000-8000-000000000000',
      'Root=1-5e6b:x/y+z==@lb.1',
    ]) {
      const answer = await ask('/thrown', own)
      t.equal(answer.headers['x-request-id'], own)
      t.equal(JSON.parse(answer.body).requestId, own)
      t.equal(JSON.parse(lines.at(-1) ?? '').requestId, own)
      for (const url of ['/nothing', '/%ff', '/taken'])
        t.equal((await ask(url, own)).headers['x-request-id'], own)
    }
    const made = new Set<unknown>()
    for (const wrong of [
      undefined,
      '',
      ' ',
      'a b',
      'a,b',
      '<script>',
      'ä',
      '"',
      '{}',
      'x'.repeat(129),
      'x'.repeat(8_000),
    ]) {
      const id = (await ask('/nothing', wrong)).headers['x-request-id']
      t.match(id, /^[0-9a-f-]{36}$/, `instead of ${wrong?.slice(0, 20)}`)
      made.add(id)
    }
    t.equal(made.size, 11)
    const taken = await app.inject({ method: 'POST', url: '/taken' })
    t.match(taken.headers['x-request-id'], /^[0-9a-f-]{36}$/)
    const { answer, logged } = await failWith(new Error('x'))
    t.equal(answer.headers['x-request-id'], logged.requestId)
  },
)

void t.test('no line is logged for a request that is answered', async (t) => {
  const { app, lines } = start()
  t.equal((await app.inject({ method: 'POST', url: '/taken' })).statusCode, 200)
  t.same(lines, [])
})

void t.test('a draining replica asks every caller to close its connection', async (t) => {
  const draining = new AbortController()
  const { app, failWith } = start({ draining: draining.signal })
  t.not((await failWith(new Error('x'))).answer.headers.connection, 'close')
  draining.abort()
  t.equal((await failWith(new Error('x'))).answer.headers.connection, 'close')
  t.equal((await app.inject({ method: 'POST', url: '/taken' })).headers.connection, 'close')
})

void t.test('no limit of Node counts the time before the first byte against a head', async (t) => {
  const app = createService({ logger: silent, limits: { requestTimeout: 0 } })
  t.equal(app.server.headersTimeout, 0)
  t.equal(app.server.requestTimeout, 0)
  await app.close()
})

import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createBatches, GreenroomApiError } from '../../src/client/client-batch.ts'
import { cuts, hangs, id, refuses, sends, sessionWith, startMisbehavingServer } from './misbehaving-server.ts'

const path = 'POST /v1/sessions:batch'
const requests = [{ agentType: 'echo-agent' }, { agentType: 'tutor' }]
const result = (changes: object = {}) => ({ status: 201, session: sessionWith(changes) })
const opened = sends(201, { opened: 2, results: [result(), result()] })
const problem = {
  code: 'GRN_POOL_EMPTY',
  detail: 'No pod. Retry.',
  remedy: 'Retry.',
  retryAfterMs: 900,
  requestId: 'q-2',
}

void t.test('all of them: repeated under one key until they are open', async (t) => {
  const busy = refuses(503, 'GRN_POOL_EMPTY', { retryAfterMs: 20 })
  const server = await startMisbehavingServer(t, { [path]: [cuts, busy, opened] })
  const sessions = await createBatches(server).openAll(requests)
  t.equal(sessions.length, 2)
  t.ok(sessions.every((session) => session.id === id))
  const asked = server.asked.filter((one) => one.path === '/v1/sessions:batch')
  t.equal(asked.length, 3)
  t.equal(new Set(asked.map(({ key }) => key)).size, 1)
  t.match(asked[0]?.body, { sessions: requests, atomic: true })
  await Promise.all(sessions.map((session) => session.end()))
})

void t.test('all of them, and one cannot be opened: its refusal is thrown', async (t) => {
  const server = await startMisbehavingServer(t, {
    [path]: [refuses(429, 'GRN_PROJECT_LIMIT'), refuses(403, 'GRN_FORBIDDEN')],
  })
  const refused = createBatches(server).openAll(requests, { idempotencyKey: 'mine' })
  await t.rejects(refused, { code: 'GRN_FORBIDDEN', status: 403 })
  t.equal(server.asked[0]?.key, 'mine')
})

void t.test('as many as there are: sessions, and errors in the places of the others', async (t) => {
  const results = [result(), { status: 503, problem }]
  const server = await startMisbehavingServer(t, { [path]: [sends(207, { opened: 1, results })] })
  const [first, second] = await createBatches(server).openAvailable(requests)
  t.match(first, { id })
  t.ok(second instanceof GreenroomApiError)
  t.match(second, {
    code: 'GRN_POOL_EMPTY',
    retryable: true,
    retryAfterMs: 900,
    remediation: 'Retry.',
    status: 503,
    requestId: 'q-2',
  })
  t.match(server.asked[0]?.body, { atomic: false })
  if (first && 'end' in first) await first.end()
})

void t.test('a cold one is waited for, and is an error when it gets no pod', async (t) => {
  const results = [result({ status: 'PENDING', pod: undefined })]
  const server = await startMisbehavingServer(t, {
    [path]: [sends(202, { opened: 1, results })],
    'GET /v1/sessions/:id': [sends(200, sessionWith({ status: 'ENDED', endReason: 'failed:pool-empty' }))],
  })
  t.match(await createBatches(server).openAvailable(requests.slice(0, 1)), [
    { code: 'GRN_CLIENT_OPEN_FAILED' },
  ])
})

void t.test('a caller that leaves: what was opened all the same is ended', async (t) => {
  const server = await startMisbehavingServer(t, { [path]: [hangs, opened] })
  const caller = new AbortController()
  const opening = createBatches(server).openAll(requests, { signal: caller.signal })
  await until('it has asked', () => server.asked.length === 1)
  caller.abort(new Error('gone'))
  await t.rejects(opening, { message: 'gone' })
  await until('both are ended', () => server.count('DELETE /v1/sessions/') === 2)
})

void t.test('needs nothing of Node', (t) => {
  const entry = fileURLToPath(new URL('../../src/client/client-batch.ts', import.meta.url))
  const { metafile } = buildSync({
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    metafile: true,
  })
  t.notOk(Object.keys(metafile.inputs).some((input) => !input.startsWith('src/client/')))
  t.end()
})

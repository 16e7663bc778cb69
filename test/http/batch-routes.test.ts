import { promisify } from 'node:util'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { GreenroomError } from '../../src/errors.ts'
import type { OpenBatch } from '../../src/sessions/open-batch.ts'
import type { OpenAnswer } from '../../src/sessions/open-session.ts'
import { type Api, apiKey, isProblem, livekit, newSession, startApi } from './api-bed.ts'

/** POST /v1/sessions:batch over use cases that are played here; over real ones: open-batch.test.ts, tenants.test.ts. */

const url = '/v1/sessions:batch'
const one = { agentType: 'echo-agent' }
const answerOf = (nth: number, more: Partial<OpenAnswer> = {}): OpenAnswer => ({
  session: newSession({ id: `0198c0de-0000-7000-8000-${String(nth).padStart(12, '0')}` }),
  livekit,
  replayed: false,
  stagesMs: { reserve: 0.5, deliver: nth },
  ...more,
})

function startBatches(t: Parameters<typeof startApi>[0], overrides: Partial<OpenBatch> = {}) {
  const asked: Parameters<OpenBatch['openAll']>[] = []
  const noted: string[] = []
  const openBatch: OpenBatch = {
    async openAll(requests, context) {
      asked.push([requests, context])
      return requests.map((_, nth) => answerOf(nth))
    },
    openAvailable: async (requests) => requests.map((_, nth) => ({ answer: answerOf(nth) })),
    ...overrides,
  }
  const noteSession = (_caller: unknown, action: string, { id }: { id: string }) =>
    void noted.push(`${action} ${id}`)
  return startApi(t, { openBatch, noteSession }).then((api) => ({ ...api, asked, noted }))
}

const connectionsOf = ({ server }: Api['app']) => promisify(server.getConnections.bind(server))()

void t.test('a session for each, in order; each is noted', async (t) => {
  const api = await startBatches(t)
  const sessions = [one, { ...one, browserToken: true }, one]
  const headers = { 'idempotency-key': 'team' }
  const answer = await api.call('POST', url, { body: { sessions }, headers })
  t.equal(answer.statusCode, 201)
  const { opened, results } = answer.json()
  t.equal(opened, 3)
  t.match(
    results,
    [0, 1, 2].map((nth) => ({ status: 201, session: { id: answerOf(nth).session.id, livekit } })),
  )
  t.match(results[1].session.browserToken, { token: /^grb_/ })
  t.notOk(results[0].session.browserToken)
  t.match(answer.headers['server-timing'], 'reserve;dur=0.50, deliver;dur=2.00')
  t.match(api.asked, [[[one, one, one], { idempotencyKey: 'team' }]])
  t.equal(api.noted.length, 3)
})

void t.test('the status says the least of what came to its sessions', async (t) => {
  const cold = { session: newSession({ status: 'PENDING', pod: undefined }) }
  const refusal = new GreenroomError('GRN_POOL_EMPTY', undefined, { retryAfterMs: 1_500 })
  const cases = [
    [[{ answer: answerOf(0, { replayed: true }) }, { answer: answerOf(1, { replayed: true }) }], 200],
    [[{ answer: answerOf(0, { replayed: true }) }, { answer: answerOf(1) }], 201],
    [[{ answer: answerOf(0, cold) }, { answer: answerOf(1) }], 202],
    [[{ answer: answerOf(0) }, { refusal }], 207],
    [[{ refusal }, { refusal }], 207],
  ] as const
  for (const [results, status] of cases) {
    const api = await startBatches(t, { openAvailable: async () => results })
    const headers = { 'idempotency-key': 'team' }
    const answer = await api.call('POST', url, { body: { sessions: [one, one], atomic: false }, headers })
    t.equal(answer.statusCode, status)
    t.equal(answer.json().opened, results.filter((result) => 'answer' in result).length)
    if (status === 207)
      t.match(answer.json().results[1], {
        status: 503,
        problem: { code: 'GRN_POOL_EMPTY', retryAfterMs: 1_500, instance: `${url}#/sessions/1` },
      })
  }
})

void t.test('one that fails as a whole is answered as the session that stands in the way', async (t) => {
  const refusal = new GreenroomError('GRN_PROJECT_LIMIT', 'No session was opened, because of sessions/3 of 5')
  const api = await startBatches(t, { openAll: () => Promise.reject(refusal) })
  isProblem(
    t,
    await api.call('POST', url, { body: { sessions: [one] } }),
    'GRN_PROJECT_LIMIT',
    429,
    /sessions\/3/,
  )
})

void t.test('what is no batch is refused, and where it is wrong', async (t) => {
  const api = await startBatches(t)
  const many = (count: number, each: object = one) => ({
    sessions: Array.from({ length: count }, () => each),
  })
  for (const [body, hint] of [
    [{}, /sessions/],
    [{ sessions: [] }, /sessions/],
    [many(51), /sessions/],
    [{ sessions: one }, /sessions/],
    [{ sessions: [one, {}] }, /sessions\/1/],
    [{ sessions: [one, null] }, /sessions\/1/],
    [{ sessions: [{ ...one, extra: 1 }] }, /extra/],
    [{ ...many(1), atomic: 'yes' }, /atomic/],
    [{ ...many(1), count: 3 }, /count/],
    [many(1, { ...one, metadata: { text: 'a\0b' } }), /NUL/],
  ] as const)
    isProblem(t, await api.call('POST', url, { body }), 'GRN_INVALID_REQUEST', 400, hint)
  const large = many(50, { ...one, metadata: { text: 'x'.repeat(6_000) } })
  isProblem(t, await api.call('POST', url, { body: large }), 'GRN_BODY_TOO_LARGE', 413)
  const headers = { 'idempotency-key': 'with a space' }
  isProblem(t, await api.call('POST', url, { body: many(1), headers }), 'GRN_INVALID_REQUEST', 400)
  t.equal((await api.call('POST', url, { body: many(50) })).statusCode, 201)
  t.equal((await api.call('GET', url)).statusCode, 405)
})

void t.test('a caller without a key that hangs up before its answer: all of its sessions end', async (t) => {
  const opening = Promise.withResolvers<void>()
  const opened = Promise.withResolvers<void>()
  const api = await startBatches(t, {
    async openAll(requests) {
      opening.resolve()
      await opened.promise
      return requests.map(() => answerOf(1, { session: newSession() }))
    },
  })
  const address = await api.app.listen({ port: 0, host: '127.0.0.1' })
  const caller = new AbortController()
  const asked = fetch(`${address}${url}`, {
    method: 'POST',
    body: JSON.stringify({ sessions: [one, one] }),
    headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
    signal: caller.signal,
  })
  await opening.promise
  caller.abort()
  await t.rejects(asked)
  await until('the server knows it', async () => (await connectionsOf(api.app)) === 0)
  opened.resolve()
  await until('both are ended', () => api.calls.length === 2)
  t.match(api.calls, [
    ['close', newSession().id, 'unanswered', 3],
    ['close', newSession().id, 'unanswered', 3],
  ])
})

import t from 'tap'
import { GreenroomError } from '../../src/errors.ts'
import { isProblem, newSession, startApi } from './api-bed.ts'

void t.test('limits of a project are set as a whole, read, listed and removed', async (t) => {
  const api = await startApi(t)
  const path = '/v1/projects/tea/limits'
  t.same((await api.call('GET', path)).json(), { projectId: 'tea', limits: {} })
  const set = await api.call('PUT', path, { body: { maxSessions: 9, opensPerMinute: 60 } })
  t.equal(set.statusCode, 200)
  const whole = {
    projectId: 'tea',
    limits: { maxSessions: 9, opensPerMinute: 60 },
    usage: { sessions: 7 },
    changedAt: '2026-01-01T00:00:00.000Z',
  }
  t.same(set.json(), whole)
  t.same((await api.call('GET', path)).json(), whole)
  const waiting = await api.call('PUT', path, { body: { maxWaiting: 0 } })
  t.same(waiting.json().limits, { maxWaiting: 0 })
  t.notOk('usage' in waiting.json())
  for (const project of ['a', 'b'])
    await api.call('PUT', `/v1/projects/${project}/limits`, { body: { maxWaiting: 1 } })
  const first = (await api.call('GET', '/v1/limits?limit=2')).json()
  t.match(first, { projects: [{ projectId: 'a' }, { projectId: 'b' }], nextCursor: 'b' })
  const last = (await api.call('GET', `/v1/limits?limit=2&cursor=${first.nextCursor}`)).json()
  t.match(last, { projects: [{ projectId: 'tea' }] })
  t.notOk('nextCursor' in last)
  for (let n = 0; n < 2; n += 1)
    t.same((await api.call('DELETE', path)).json(), { projectId: 'tea', limits: {} })
})

void t.test('the id of a project is any text that an open takes', async (t) => {
  const api = await startApi(t)
  for (const id of ['a/b', 'Tee & Kuchen', 'x'.repeat(200), '🫖'.repeat(100), '%']) {
    const answer = await api.call('PUT', `/v1/projects/${encodeURIComponent(id)}/limits`, {
      body: { maxWaiting: 1 },
    })
    t.equal(answer.statusCode, 200, id)
    t.equal(answer.json().projectId, id)
  }
})

void t.test('what is no limit and no project is refused', async (t) => {
  const api = await startApi(t)
  const path = '/v1/projects/tea/limits'
  for (const body of [
    {},
    [],
    null,
    { maxSessions: -1 },
    { maxSessions: 1.5 },
    { maxSessions: '9' },
    { maxSessions: 1e9 },
    { opensPerMinute: 0 },
    { maxWaiting: null },
    { sessions: 1 },
  ])
    isProblem(t, await api.call('PUT', path, { body }), 'GRN_INVALID_REQUEST', 400)
  isProblem(t, await api.call('GET', '/v1/projects/%00/limits'), 'GRN_INVALID_REQUEST', 400, /NUL/)
  isProblem(t, await api.call('GET', `/v1/projects/${'x'.repeat(201)}/limits`), 'GRN_INVALID_REQUEST', 400)
  isProblem(t, await api.call('GET', '/v1/limits?limit=201'), 'GRN_INVALID_REQUEST', 400)
  isProblem(t, await api.call('GET', '/v1/limits?cursor=%00'), 'GRN_INVALID_REQUEST', 400, /NUL/)
})

void t.test('a credential of one project, or without admin, neither sees nor sets limits', async (t) => {
  const calls = [
    ['GET', '/v1/limits'],
    ['GET', '/v1/projects/tea/limits'],
    ['PUT', '/v1/projects/tea/limits', { maxSessions: 1_000 }],
    ['DELETE', '/v1/projects/tea/limits'],
  ] as const
  for (const caller of [
    { projectId: 'tea', scopes: new Set(['admin'] as const) },
    { projectId: undefined, scopes: new Set(['sessions:open', 'pools:read'] as const) },
  ]) {
    const identify = () => ({ kind: 'api-key', id: 'k', ...caller }) as const
    const api = await startApi(t, { identify })
    for (const [method, url, body] of calls)
      isProblem(t, await api.call(method, url, { body }), 'GRN_FORBIDDEN', 403)
  }
})

void t.test(
  'an open of a limited project tells what is left, and a refused one when to come back',
  async (t) => {
    let remaining = 1
    const api = await startApi(t, {
      async openSession(_request, { onQuota }) {
        remaining -= 1
        onQuota?.({ isTaken: remaining >= 0, most: 100, remaining: Math.max(0, remaining), resetMs: 30_500 })
        if (remaining < 0) throw new GreenroomError('GRN_RATE_LIMITED', undefined, { retryAfterMs: 30_500 })
        return { session: newSession(), livekit: undefined, replayed: false, stagesMs: {} }
      },
    })
    const open = () => api.call('POST', '/v1/sessions', { body: { agentType: 'echo-agent' } })
    const headers = { 'ratelimit-policy': '"opens";q=100;w=60', ratelimit: '"opens";r=0;t=31' }
    const taken = await open()
    t.equal(taken.statusCode, 201)
    t.match(taken.headers, headers)
    const refused = await open()
    isProblem(t, refused, 'GRN_RATE_LIMITED', 429)
    t.match(refused.headers, { ...headers, 'retry-after': '31' })
  },
)

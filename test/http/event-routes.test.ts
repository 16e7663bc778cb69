import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { Caller } from '../../src/domain/caller.ts'
import { GreenroomError } from '../../src/errors.ts'
import { startDatabase } from '../stores/store-servers.ts'
import { browserTokens, isProblem, unknownId } from './api-bed.ts'
import { lifeOfSession, startEventApi } from './event-bed.ts'

t.setTimeout(120_000)
const database = await startDatabase(t)

/** Credentials of two projects, and one that may not read pools. */
const callers: Readonly<Record<string, Caller>> = Object.fromEntries(
  [
    { id: 'of-checkout', projectId: 'checkout', scopes: ['sessions:read', 'pools:read'] },
    { id: 'of-search', projectId: 'search', scopes: ['admin'] },
    { id: 'without-pools', projectId: undefined, scopes: ['sessions:read'] },
    { id: 'of-all', projectId: undefined, scopes: ['admin'] },
    { id: 'opens-only', projectId: undefined, scopes: ['sessions:open'] },
  ].map(({ id, projectId, scopes }) => [
    id,
    { kind: 'api-key', id, projectId, scopes: new Set(scopes) } as Caller,
  ]),
)
const identify = (bearer: string) => callers[bearer]

void t.test('the events of a session, from its beginning to its last', async (t) => {
  const api = await startEventApi(t, database)
  const id = await api.open({ projectId: 'checkout' })
  const early = api.follow(`/v1/sessions/${id}/events`)
  await early.untilTypes('session.pending', 'session.active')
  t.match(early.headers(), {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
  })
  t.equal(early.status(), 200)
  t.notOk(early.isOver())
  await api.open()
  await api.end(id)
  await early.untilTypes(...lifeOfSession)
  await until('the end of the stream', () => early.isOver())
  t.notMatch(early.text(), /closed/, 'its end needs no reason')
  t.match(early.blocks.at(-1)?.data, { sessionId: id, status: 'ENDED', endReason: 'ended:caller' })
  const late = api.follow(`/v1/sessions/${id}/events`)
  await late.untilTypes(...lifeOfSession)
  await until('the end of the late stream', () => late.isOver())
  t.equal(await api.listeners(), 0)
})

void t.test('whoever comes back goes on where it was, and is told when there is nothing more', async (t) => {
  const api = await startEventApi(t, database)
  const id = await api.open()
  const path = `/v1/sessions/${id}/events`
  const first = api.follow(path)
  await first.untilTypes('session.pending', 'session.active')
  first.hangUp()
  await until('nobody listens', async () => (await api.listeners()) === 0)
  await api.end(id)
  const again = api.follow(path, { 'last-event-id': String(first.ids()[1]) })
  await again.untilTypes('session.ending', 'session.ended')
  const byQuery = api.follow(`${path}?after=${first.ids()[0]}`)
  await byQuery.untilTypes(...lifeOfSession.slice(1))
  const done = api.follow(path, { 'last-event-id': String(again.ids()[1]) })
  await until('an answer', () => done.status() !== undefined)
  t.equal(done.status(), 204, 'a browser does not come back after this')
})

void t.test('all events: from now on, from a number on, and filtered', async (t) => {
  const api = await startEventApi(t, database)
  const before = await api.open({ projectId: 'checkout' })
  const old = api.follow('/v1/events?after=0')
  await old.untilTypes('session.pending', 'session.active')
  const live = api.follow('/v1/events')
  const ended = api.follow('/v1/events?types=session.ended,%20pool.empty')
  const checkout = api.follow('/v1/events?projectId=checkout&after=0')
  const stella = api.follow('/v1/events?agentType=stella-agent')
  await until('all listen', async () => (await api.listeners()) === 5)
  await api.end(before)
  await api.open({ agentType: 'stella-agent', projectId: 'search' })
  await stella.untilTypes('session.pending', 'session.active')
  // It has its number at once, and would be told before a session's event that still waits for one.
  await api.log.note({ type: 'pool.empty', agentType: 'stella-agent', waiting: 1 })
  await live.untilTypes('session.ending', 'session.ended', 'session.pending', 'session.active', 'pool.empty')
  await ended.untilTypes('session.ended', 'pool.empty')
  await checkout.untilTypes(...lifeOfSession)
  await stella.untilTypes('session.pending', 'session.active', 'pool.empty')
  await old.untilTypes(...lifeOfSession, 'session.pending', 'session.active', 'pool.empty')
  t.match(live.blocks.at(-1)?.data, { agentType: 'stella-agent', waiting: 1, type: 'pool.empty' })
  const ids = old.ids()
  t.same(
    ids,
    [...ids].sort((a, b) => a - b),
  )
})

void t.test("a caller of a project hears its own sessions only; another's is not there", async (t) => {
  const api = await startEventApi(t, database, { identify })
  const mine = await api.open({ projectId: 'checkout' })
  const others = await api.open({ projectId: 'search' })
  const nobodys = await api.open()
  await api.log.note({ type: 'pool.empty', agentType: 'echo-agent', waiting: 0 })
  const all = api.follow('/v1/events?after=0', {}, 'of-all')
  await until('all of it', () => all.types().length === 7)
  const bound = api.follow('/v1/events?after=0', {}, 'of-checkout')
  await bound.untilTypes('session.pending', 'session.active')
  await api.follow('/v1/events?after=0&projectId=checkout', {}, 'of-checkout').untilTypes(...bound.types())
  const poolless = api.follow('/v1/events?after=0', {}, 'without-pools')
  await until('six of seven', () => poolless.types().length === 6)
  t.notOk(poolless.types().includes('pool.empty'))
  await api.end(others)
  await api.end(mine)
  await bound.untilTypes(...lifeOfSession)
  t.notMatch(bound.text(), others)
  for (const id of [others, nobodys, unknownId, 'x']) {
    const refused = await api.call('GET', `/v1/sessions/${id}/events`, {
      headers: { authorization: 'Bearer of-checkout' },
    })
    isProblem(t, refused, 'GRN_SESSION_NOT_FOUND', 404)
  }
  const foreign = await api.call('GET', '/v1/events?projectId=search', {
    headers: { authorization: 'Bearer of-checkout' },
  })
  isProblem(t, foreign, 'GRN_FORBIDDEN', 403)
  for (const path of ['/v1/events', `/v1/sessions/${mine}/events`]) {
    const headers = { authorization: 'Bearer opens-only' }
    isProblem(t, await api.call('GET', path, { headers }), 'GRN_FORBIDDEN', 403, /sessions:read/)
    const stranger = { authorization: 'Bearer stranger' }
    isProblem(t, await api.call('GET', path, { headers: stranger }), 'GRN_UNAUTHENTICATED', 401)
  }
})

void t.test('an absurd Last-Event-ID: no number, from the future, older than what is kept', async (t) => {
  const api = await startEventApi(t, database)
  const id = await api.open()
  for (const bad of ['x', '-1', '1.5', '1e3', '0x10', '9007199254740993', '9'.repeat(40), '1 2', "';--"]) {
    for (const path of ['/v1/events', `/v1/sessions/${id}/events`]) {
      isProblem(t, await api.call('GET', path, { headers: { 'last-event-id': bad } }), 'GRN_EVENT_ID', 400)
      const byQuery = `${path}?after=${encodeURIComponent(bad)}`
      isProblem(t, await api.call('GET', byQuery), 'GRN_EVENT_ID', 400)
    }
  }
  await until('the numbers', async () => (await api.log.bounds()).last === 2)
  const future = api.follow('/v1/events', { 'last-event-id': '9007199254740991' })
  await until('the reset', () => future.text().includes('event: reset'))
  t.match(future.blocks[1], { id: '2', event: 'reset', data: { reason: 'future', after: '2' } })
  const ofSession = api.follow(`/v1/sessions/${id}/events?after=77`)
  await ofSession.untilTypes('session.pending', 'session.active')
  t.match(ofSession.blocks[1], { event: 'reset', data: { reason: 'future', after: '0' } })
  await api.end(id)
  await future.untilTypes('session.ending', 'session.ended')
})

void t.test('whoever comes back later than events are kept is told so, and gets what is there', async (t) => {
  const { postgres } = await startEventApi(t, database)
  await postgres.durable.query('UPDATE event_numbers SET last = 10000, purged = 90')
  // Another replica, which starts with these numbers.
  const api = await startEventApi(t, database, { postgres })
  await api.open()
  const old = api.follow('/v1/events', { 'last-event-id': '60' })
  await old.untilTypes('session.pending', 'session.active')
  t.match(old.blocks[1], { id: '60', event: 'reset', data: { reason: 'purged', after: '60' } })
  for (const place of ['90', '0']) {
    const whole = api.follow('/v1/events', { 'last-event-id': place })
    await whole.untilTypes('session.pending', 'session.active')
    t.notMatch(whole.text(), /reset/)
  }
  t.same(old.ids(), [10_001, 10_002])
})

void t.test('what happens while the past is read is neither lost nor told twice', async (t) => {
  const first = await startEventApi(t, database)
  await first.postgres.durable.query('UPDATE event_numbers SET last = 20000')
  let release = () => undefined as void
  const held = new Promise<void>((resolve) => (release = resolve))
  let reads = 0
  // Another replica, which has not kept the past and reads it slowly; its feed reads without a filter.
  const api = await startEventApi(t, database, {
    postgres: first.postgres,
    wrap: (log) => ({
      ...log,
      async read(after, filter) {
        const page = await log.read(after, filter)
        if (filter) {
          reads += 1
          await held
        }
        return page
      },
    }),
  })
  const id = await api.open()
  await until('the numbers', async () => (await api.log.bounds()).last === 20_002)
  const all = api.follow('/v1/events?after=1')
  const one = api.follow(`/v1/sessions/${id}/events?after=1`)
  await until('both to have read', () => reads === 2)
  const witness = api.follow('/v1/events')
  await until('the witness listens', async () => (await api.listeners()) === 1)
  await api.end(id)
  await until('this replica to have read the end', () => witness.types().at(-1) === 'session.ended')
  release()
  await all.untilTypes(...lifeOfSession)
  await one.untilTypes(...lifeOfSession)
})

void t.test("a browser's token follows its own session alone", async (t) => {
  const api = await startEventApi(t, database)
  const id = await api.open()
  const other = await api.open()
  const { token } = browserTokens.mint(id)
  await api.follow(`/v1/sessions/${id}/events`, {}, token).untilTypes('session.pending', 'session.active')
  const headers = { authorization: `Bearer ${token}` }
  for (const url of [`/v1/sessions/${other}/events`, '/v1/events'])
    isProblem(t, await api.call('GET', url, { headers }), 'GRN_UNAUTHENTICATED', 401)
})

void t.test('bad input and media types', async (t) => {
  const api = await startEventApi(t, database)
  const id = await api.open()
  isProblem(t, await api.call('GET', '/v1/events?types=session.born'), 'GRN_INVALID_REQUEST', 400, /types/)
  isProblem(t, await api.call('GET', '/v1/events?type=x'), 'GRN_INVALID_REQUEST', 400)
  isProblem(t, await api.call('GET', '/v1/events?projectId='), 'GRN_INVALID_REQUEST', 400)
  for (const accept of ['application/json', 'text/event-stream;q=0', 'text/html, application/xml;q=0.9']) {
    const refused = await api.call('GET', '/v1/events', { headers: { accept } })
    isProblem(t, refused, 'GRN_NOT_ACCEPTABLE', 406, /text\/event-stream/)
  }
  for (const accept of ['', '*/*', 'text/*;q=0.5', 'application/json, text/event-stream']) {
    const stream = api.follow(`/v1/sessions/${id}/events`, { accept })
    await stream.untilTypes('session.pending', 'session.active')
  }
  t.equal((await api.call('HEAD', '/v1/events')).statusCode, 405)
})

void t.test(
  'a replica that drains ends its streams with the time to come back, and takes no new ones',
  async (t) => {
    const api = await startEventApi(t, database)
    const streams = [api.follow('/v1/events'), api.follow('/v1/events')]
    await until('both listen', async () => (await api.listeners()) === 2)
    api.draining.abort(new GreenroomError('GRN_SHUTTING_DOWN', undefined, { retryAfterMs: 1_000 }))
    await until('both ends', () => streams.every((stream) => stream.isOver()))
    for (const stream of streams) {
      const last = stream.blocks.at(-1)
      t.match(last, { event: 'closed', data: { reason: 'draining' }, retry: /^\d+$/ })
      t.equal(Number(last?.retry), last?.data?.retryMs)
    }
    t.equal(await api.listeners(), 0)
    isProblem(t, await api.call('GET', '/v1/events'), 'GRN_SHUTTING_DOWN', 503)
  },
)

void t.test(
  'what PostgreSQL cannot tell now comes later; before the first look nothing can be followed',
  async (t) => {
    let isAway = false
    const api = await startEventApi(t, database, {
      wrap: (log) => ({
        ...log,
        read: (...args) =>
          isAway ? Promise.reject(new GreenroomError('GRN_DATABASE_UNAVAILABLE')) : log.read(...args),
      }),
    })
    const id = await api.open()
    const stream = api.follow('/v1/events?after=0')
    await stream.untilTypes('session.pending', 'session.active')
    isAway = true
    await api.end(id)
    const other = await api.open()
    const missing = api.follow('/v1/events?after=0')
    isAway = false
    await stream.untilTypes(...lifeOfSession, 'session.pending', 'session.active')
    t.ok(other)
    await until('the other either failed with a reason or caught up', () =>
      missing.isOver() ? /"reason":"failed"/.test(missing.text()) : missing.types().length === 6,
    )
    const early = await startEventApi(t, database, {
      followEvents: {
        assertReady() {
          throw new GreenroomError('GRN_DATABASE_UNAVAILABLE', undefined, { retryAfterMs: 1_000 })
        },
        follow: async () => undefined,
        hasSeenAll: async () => false,
      },
    })
    isProblem(t, await early.call('GET', '/v1/events'), 'GRN_DATABASE_UNAVAILABLE', 503)
  },
)

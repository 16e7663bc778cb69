import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createClient, type FollowedEvent, GreenroomApiError } from '../../src/client/client.ts'
import { apiKey } from '../http/api-bed.ts'
import { lifeOfSession, startEventApi } from '../http/event-bed.ts'
import { startDatabase } from '../stores/store-servers.ts'
import { type Answer, cuts, id, refuses, sends, startMisbehavingServer } from './misbehaving-server.ts'

t.setTimeout(120_000)

/** A stream of these events that then does what `end` says. */
function streams(numbers: readonly number[], end: 'ends' | 'breaks' | 'closes' | 'stays'): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('retry: 10\n\n:\n\n')
    for (const number of numbers) {
      const type = number >= 100 ? 'session.ended' : 'session.active'
      const text = `id: ${number}\nevent: ${type}\ndata: ${JSON.stringify({ id: String(number), type })}\n\n`
      // In two pieces, as networks do.
      response.write(text.slice(0, 15))
      response.write(text.slice(15))
    }
    if (end === 'breaks') setTimeout(() => response.destroy(), 20)
    else if (end === 'closes')
      response.end('retry: 10\nevent: closed\ndata: {"reason":"draining","retryMs":10}\n\n')
    else if (end === 'ends') response.end()
  }
}

async function take(events: AsyncIterable<FollowedEvent>, count: number): Promise<(string | undefined)[]> {
  const ids: (string | undefined)[] = []
  for await (const event of events) {
    ids.push('id' in event ? event.id : event.type)
    if (ids.length === count) break
  }
  return ids
}

void t.test('an iteration goes on through every break, with the id of the last event', async (t) => {
  const places: (string | undefined)[] = []
  const noting =
    (answer: Answer): Answer =>
    (response, asked) => {
      places.push(response.req.headers['last-event-id'] as string | undefined)
      return answer(response, asked)
    }
  const page = sends(502, '<html>Bad gateway</html>', { 'content-type': 'text/html' })
  const busy = refuses(503, 'GRN_STREAMS_FULL', { retryAfterMs: 20 })
  const server = await startMisbehavingServer(t, {
    'GET /v1/events': [
      streams([1, 2], 'breaks'),
      cuts,
      page,
      busy,
      streams([3], 'closes'),
      streams([], 'ends'),
      streams([4, 5], 'stays'),
    ].map(noting),
  })
  const client = createClient({ url: server.url, apiKey: 'k' })
  t.same(await take(client.events({ types: ['session.active'], projectId: 'a b' }), 5), [
    '1',
    '2',
    '3',
    '4',
    '5',
  ])
  t.same(places, [undefined, '2', '2', '2', '2', '3', '3'])
  t.equal(server.asked[0]?.path, '/v1/events?projectId=a+b&types=session.active')
})

void t.test('what coming back cannot mend is thrown; a signal ends the iteration', async (t) => {
  const server = await startMisbehavingServer(t, {
    'GET /v1/events': [streams([1], 'closes'), refuses(401, 'GRN_UNAUTHENTICATED')],
    [`GET /v1/sessions/:id/events`]: [streams([1], 'stays')],
  })
  const client = createClient(server)
  const error = await take(client.events(), 9).catch((thrown: unknown) => thrown)
  t.ok(error instanceof GreenroomApiError)
  t.match(error, { code: 'GRN_UNAUTHENTICATED', status: 401 })
  const giving = new AbortController()
  const reason = new Error('the user left the page')
  const seen: FollowedEvent[] = []
  const iteration = (async () => {
    for await (const event of client.sessions.events(id, { signal: giving.signal })) {
      seen.push(event)
      giving.abort(reason)
    }
  })()
  await t.rejects(iteration, reason)
  t.equal(seen.length, 1)
  await t.rejects(take(client.events({ signal: AbortSignal.abort(reason) }), 1), reason)
})

void t.test(
  'the events of a session end after its last, also when the end of the stream got lost',
  async (t) => {
    const done: Answer = (response) => response.writeHead(204).end()
    const path = 'GET /v1/sessions/:id/events'
    const whole = await startMisbehavingServer(t, { [path]: [streams([1, 100], 'ends')] })
    t.same(await take(createClient(whole).sessions.events(id), 9), ['1', '100'])
    t.equal(whole.asked.length, 1)
    const lost = await startMisbehavingServer(t, { [path]: [streams([1, 100], 'breaks'), done] })
    t.same(await take(createClient(lost).sessions.events(id), 9), ['1', '100'])
    t.equal(lost.asked.length, 2)
    const page = await startMisbehavingServer(t, { [path]: [sends(200, '<html>', {}), done] })
    const notOurs = await take(createClient(page).sessions.events(id), 1).catch((thrown: unknown) => thrown)
    t.match(notOurs, { code: 'GRN_CLIENT_BAD_ANSWER' })
  },
)

void t.test('of a real server: two replicas, of which one goes away in the middle', async (t) => {
  const database = await startDatabase(t)
  const first = await startEventApi(t, database)
  const second = await startEventApi(t, database, { postgres: first.postgres })
  let url = first.url
  const follow = (address: string | URL | Request, init?: RequestInit) =>
    fetch((address as string).replace('http://replica', url), init)
  const client = createClient({ url: 'http://replica', apiKey, fetch: follow })
  const seen: FollowedEvent[] = []
  const stopping = new AbortController()
  const iteration = (async () => {
    for await (const event of client.events({ after: '0', signal: stopping.signal })) seen.push(event)
  })()
  const session = await first.open()
  await until('the first events', () => seen.length === 2)
  url = second.url
  first.app.server.closeAllConnections()
  await first.end(session)
  const other = await second.open()
  await until('the rest', () => seen.length === 6)
  t.same(
    seen.map((event) => event.type),
    [...lifeOfSession, 'session.pending', 'session.active'],
  )
  const whole: string[] = []
  for await (const event of client.sessions.events(session)) whole.push(event.type)
  t.same(whole, lifeOfSession)
  const reset = client.events({ after: '99999' })
  for await (const event of reset) {
    t.match(event, { type: 'reset', reason: 'future', after: '6' })
    break
  }
  stopping.abort()
  await t.rejects(iteration)
  await until('nobody listens', async () => (await second.listeners()) === 0)
  t.ok(other)
})

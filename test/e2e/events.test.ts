import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Client } from 'pg'
import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { createClient, type FollowedEvent, GreenroomApiError } from '../../src/client/client.ts'

/** Three replicas are killed in turn under followers: each hears every event, in order, once. */

t.setTimeout(300_000)
const bed = await startBed({
  replicas: 3,
  balanced: true,
  pools: poolsDocument({ min: 6, max: 24 }),
  controllerEnv: { GREENROOM_EVENT_NETWORKS: '127.0.0.0/8' },
})
t.teardown(() => bed.stop())
const client = createClient({ url: bed.balancer?.url ?? '', apiKey: bed.apiKey })
const agentType = 'echo-agent'

async function numbersGiven(): Promise<string[]> {
  const postgres = new Client({ connectionString: bed.databaseUrl })
  await postgres.connect()
  try {
    const { rows } = await postgres.query<{ number: string | null }>(
      'SELECT number FROM session_events UNION ALL SELECT number FROM platform_events ORDER BY number',
    )
    if (rows.some(({ number }) => number === null)) return []
    return rows.map(({ number }) => String(number))
  } finally {
    await postgres.end()
  }
}

/** Follows until it is stopped; what it heard. */
function follow(events: AsyncIterable<FollowedEvent>) {
  const heard: FollowedEvent[] = []
  const ended = (async () => {
    for await (const event of events) heard.push(event)
  })()
  return { heard, ended, ids: () => heard.map((event) => ('id' in event ? event.id : event.type)) }
}

void t.test('no follower loses an event or hears one twice when replicas are killed', async (t) => {
  const stopping = new AbortController()
  const { signal } = stopping
  const followers = [1, 2, 3, 4].map(() => follow(client.events({ after: '0', signal })))
  const ofSessions: ReturnType<typeof follow>[] = []
  let isLoaded = true
  const load = [1, 2].map(async () => {
    while (isLoaded) {
      try {
        await using session = await client.open({ agentType })
        ofSessions.push(follow(session.events({ signal })))
      } catch (error) {
        // Between two replicas, or the pool is empty for a moment.
        if (!(error instanceof GreenroomApiError && error.retryable)) throw error
      }
    }
  })
  for (const name of ['api-1', 'api-2', 'api-3']) {
    const before = ofSessions.length
    await until('sessions', () => ofSessions.length > before + 2, 60_000)
    await bed.roles.get(name)?.restart('SIGKILL')
    const url = bed.apiUrls[Number(name.at(-1)) - 1] ?? ''
    await until(`${name} to be back`, () => bed.balancer?.ready().includes(url), 60_000)
  }
  isLoaded = false
  await Promise.all(load)
  // Each ends by itself, with the session.
  await Promise.all(ofSessions.map(({ ended }) => ended))
  const given = await until(
    'all events to have their numbers',
    async () => {
      const numbers = await numbersGiven()
      return numbers.length > 0 && numbers
    },
    60_000,
  )
  t.comment(`${given.length} events of ${ofSessions.length} sessions`)
  t.ok(ofSessions.length > 9)
  for (const { ids } of followers) {
    await until('a follower to have heard everything', () => ids().length >= given.length)
    t.same(ids(), given)
  }
  const all = followers[0]?.heard ?? []
  for (const { heard } of ofSessions) {
    const [first] = heard
    const id = first && 'sessionId' in first ? first.sessionId : ''
    t.same(
      heard,
      all.filter((event) => 'sessionId' in event && event.sessionId === id),
    )
    t.equal(heard.at(-1)?.type, 'session.ended')
  }
  stopping.abort(new Error('enough'))
  await Promise.all(followers.map(({ ended }) => t.rejects(ended, { message: 'enough' })))
})

void t.test('the controller tells of agent-pools, and sends events to a webhook', async (t) => {
  const bodies: { readonly id: string; readonly type: string; readonly sessionId?: string }[] = []
  let answers = 0
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      answers += 1
      // The first try fails, as networks do.
      if (answers > 1) bodies.push(JSON.parse(body) as (typeof bodies)[number])
      t.match(request.headers['webhook-signature'], /^v1,/)
      response.writeHead(answers > 1 ? 204 : 500).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const caller = createBedClient({ url: bed.apiUrls[0] ?? '', apiKey: bed.apiKey })
  t.teardown(() => caller.close())
  const made = await caller.call({ method: 'POST', path: '/v1/webhooks', body: { url } })
  t.equal(made.status, 201)
  const session = await client.open({ agentType })
  await session.end()
  const mine = () => bodies.filter(({ sessionId }) => sessionId === session.id).map(({ type }) => type)
  await until('the life of the session', () => mine().length === 4, 60_000)
  t.same(mine(), ['session.pending', 'session.active', 'session.ending', 'session.ended'])
  for await (const event of client.events({ after: '0', types: ['pool.config'] })) {
    t.match(event, { type: 'pool.config', outcome: 'accepted', version: /^\d+$/ })
    break
  }
})

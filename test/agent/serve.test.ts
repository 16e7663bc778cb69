import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { AgentRoutes } from '../../src/agent/agent-http.ts'
import type { AgentSession } from '../../src/agent/agent-session.ts'
import { type ServeOptions, serve } from '../../src/agent/serve.ts'
import { createAgentDelivery } from '../../src/delivery/agent-delivery.ts'
import { signDelivery } from '../../src/delivery/assign-token.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import type { EndOrder } from '../../src/domain/assignment.ts'
import {
  newAssignment,
  newKeyPair,
  newRecipient,
  podUid,
  privateSet,
  publicSet,
  startHttp,
} from './contract-fixture.ts'

const pair = newKeyPair('k1')
const keys = await loadSigningKeys(privateSet(pair))
const assignment = newAssignment()
const pod = newRecipient()
const order: EndOrder = { sessionId: assignment.sessionId, epoch: 1, reason: 'ended:caller' }
const env = {
  GREENROOM_POD_UID: podUid,
  GREENROOM_POD_NAME: 'echo-agent-1',
  GREENROOM_ASSIGN_KEYS: publicSet(pair),
  GREENROOM_AGENT_TYPE: 'echo-agent',
  GREENROOM_LISTEN_ADDRESS: '127.0.0.1',
}

async function startAgent(t: Test, options: Partial<ServeOptions> = {}) {
  const exited = Promise.withResolvers<number>()
  const logged: string[] = []
  const agent = await serve({
    onAssign: () => {},
    env,
    port: 0,
    exit: exited.resolve,
    log: (_level, message, keys) => logged.push(JSON.stringify({ message, ...keys })),
    ...options,
  })
  const { port } = agent
  t.teardown(() => agent.close())
  const url = `http://127.0.0.1:${port}`
  return { agent, port, url, delivery: createAgentDelivery({ keys, port }), exited: exited.promise, logged }
}

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url)
  await response.text()
  return response.status
}

/** A request as the session server signs it, with parts exchanged. */
async function post(
  url: string,
  {
    body = JSON.stringify(assignment),
    sentBody = body,
    sessionId = assignment.sessionId,
    epoch = 1,
    uid = podUid,
  }: { body?: string; sentBody?: string; sessionId?: string; epoch?: number; uid?: string } = {},
) {
  const key = keys.choose(['k1'])
  if (!key) throw new Error('no key')
  const token = signDelivery(key, { podUid: uid, sessionId, epoch, body, now: Date.now() })
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: sentBody,
  })
  const json = (await response.json()) as Record<string, unknown>
  return { status: response.status, code: json.code, type: response.headers.get('content-type'), json }
}

void t.test('an agent without its environment says what is missing', async (t) => {
  const missing = { ...env, GREENROOM_POD_UID: undefined, GREENROOM_ASSIGN_KEYS: '' }
  const start = serve({ onAssign: () => {}, env: missing })
  await t.rejects(start, /missing environment: GREENROOM_POD_UID, GREENROOM_ASSIGN_KEYS/)
})

void t.test('an address that is taken stops the start', async (t) => {
  const { port } = await startAgent(t)
  await t.rejects(startAgent(t, { port }), { code: 'EADDRINUSE' })
})

void t.test('a pod is ready until it leaves, and takes one assignment', async (t) => {
  const given: unknown[] = []
  const { url, delivery } = await startAgent(t, {
    onAssign: ({ session }) => void given.push(session),
  })
  t.equal(await statusOf(`${url}/health`), 200)
  t.equal(await statusOf(`${url}/ready`), 200)
  const echo = { podUid, sessionId: assignment.sessionId, epoch: 1, confirms: true }
  const accepted = { kind: 'accepted', echo }
  t.same(
    await Promise.all([delivery.assign(pod, assignment, 5_000), delivery.assign(pod, assignment, 5_000)]),
    [accepted, accepted],
    'two at once',
  )
  t.same(await delivery.assign(pod, assignment, 5_000), accepted, 'and again')
  const { sessionId: id, epoch, agentType, room } = assignment
  t.same(given, [{ id, epoch, agentType, room, metadata: {} }], 'the handler ran once')
  t.equal(await statusOf(`${url}/ready`), 200, 'serving is ready')
  const other = { kind: 'refused', reason: 'status 409 AGENT_OTHER_SESSION' }
  t.match(await delivery.assign(pod, { ...assignment, sessionId: 's-2' }, 5_000), other)
  t.match(await delivery.assign(pod, { ...assignment, epoch: 2 }, 5_000), other)
  const question = { sessionId: assignment.sessionId, epoch: 1, seal: true }
  t.same(await delivery.confirm(pod, question), { kind: 'held' })
  t.match(await delivery.confirm(pod, { ...question, epoch: 2 }), { kind: 'denied' })
})

void t.test('an assignment of another agent type is refused, and costs the pod nothing', async (t) => {
  const { delivery } = await startAgent(t)
  const other = { ...assignment, agentType: 'stella-light' }
  t.match(await delivery.assign(pod, other, 5_000), {
    kind: 'refused',
    reason: 'status 409 AGENT_OTHER_TYPE',
  })
  t.match(await delivery.assign(pod, assignment, 5_000), { kind: 'accepted' })
})

void t.test('an agent that does not know its type takes any, as older ones do', async (t) => {
  const { delivery } = await startAgent(t, { env: { ...env, GREENROOM_AGENT_TYPE: undefined } })
  const other = { ...assignment, agentType: 'stella-light' }
  t.match(await delivery.assign(pod, other, 5_000), { kind: 'accepted' })
})

void t.test('what is not signed for this pod, session, epoch and body is refused', async (t) => {
  const { url } = await startAgent(t, { onAssign: () => void t.fail('must not run') })
  const to = `${url}/assign`
  const unauthenticated = { status: 401, code: 'AGENT_UNAUTHENTICATED', type: 'application/problem+json' }
  t.match(await post(to, { uid: 'other' }), unauthenticated, 'token for another pod')
  t.match(await post(to, { sessionId: 's-2' }), unauthenticated, 'token for another session')
  t.match(await post(to, { epoch: 2 }), unauthenticated, 'token for another epoch')
  t.match(
    await post(to, { sentBody: JSON.stringify({ ...assignment, room: 'x' }) }),
    unauthenticated,
    'other body',
  )
  const forOther = JSON.stringify({ ...assignment, podUid: 'other' })
  t.match(await post(to, { body: forOther }), unauthenticated, 'body for another pod')
  t.match(await post(to, { body: '{"secrets":' }), { status: 400, code: 'AGENT_BAD_JSON' })
  t.match(await post(to, { body: '{}' }), { status: 400, code: 'AGENT_BAD_REQUEST' })
  t.match(await post(to, { body: ' '.repeat(256 * 1024 + 1) }), { status: 413, code: 'AGENT_BODY_TOO_LARGE' })
  t.match(await post(to, { body: ' '.repeat(256 * 1024) }), { status: 400 }, 'exactly 256 KiB is read')
  t.match(await post(`${url}/end`, { body: JSON.stringify(order) }), {
    status: 409,
    code: 'AGENT_OTHER_SESSION',
  })
  t.equal(await statusOf(`${url}/assign`), 404, 'GET')
  t.equal(await statusOf(`${url}/nothing`), 404)
  t.equal(await statusOf(`${url}/ready`), 200, 'none of it spoils the pod')
})

void t.test('a handler that throws makes the pod unready and keeps its message to itself', async (t) => {
  const { url, delivery, logged } = await startAgent(t, {
    onAssign: () => {
      throw new TypeError('bad key sk-1')
    },
  })
  const outcome = await delivery.assign(pod, assignment, 5_000)
  t.match(outcome, { kind: 'refused', reason: 'status 500 AGENT_HANDLER_FAILED' })
  t.equal(await statusOf(`${url}/ready`), 503)
  t.equal(await statusOf(`${url}/health`), 200)
  t.match(logged.join(), /"assignment failed".*"TypeError".*serve\.test/)
  t.notMatch(logged.join(), /sk-1/)
})

void t.test('the end: answered at once, onEnd once, exit 0', async (t) => {
  const orders: EndOrder[] = []
  const proceed = Promise.withResolvers<void>()
  let signal: AbortSignal | undefined
  const { url, delivery, exited } = await startAgent(t, {
    onAssign: (agent) => {
      signal = agent.signal
    },
    onEnd: async (given) => {
      orders.push(given)
      await proceed.promise
    },
  })
  await delivery.assign(pod, assignment, 5_000)
  t.match(await delivery.end(pod, { ...order, epoch: 2 }), { reason: 'status 409 AGENT_OTHER_SESSION' })
  t.match(await delivery.end(pod, order), { kind: 'accepted' })
  t.match(await delivery.end(pod, order), { kind: 'accepted' }, 'again')
  t.ok(signal?.aborted, 'the agent is told')
  t.equal(await statusOf(`${url}/ready`), 503)
  t.match(await delivery.assign(pod, assignment, 5_000), { reason: 'status 409 AGENT_ENDING' })
  proceed.resolve()
  t.equal(await exited, 0)
  t.same(orders, [order])
})

void t.test('SIGTERM: unready, onDrain, requests in flight answered, exit 0', async (t) => {
  const events: string[] = []
  const drain = Promise.withResolvers<void>()
  const draining = Promise.withResolvers<void>()
  const entered = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  const routes: AgentRoutes = {
    'POST /tasks/:name': async ({ params, body }) => {
      entered.resolve()
      await answer.promise
      return { status: 200, text: `${params.name} ${body.toString()}` }
    },
  }
  const { url, port, exited } = await startAgent(t, {
    routes,
    onDrain: async () => {
      draining.resolve()
      await drain.promise
      events.push('drained')
    },
  })
  const stuck = connect(port, '127.0.0.1')
  stuck.write('GET /health HTTP/1.1\r\n')
  t.teardown(() => stuck.destroy())
  const inFlight = fetch(`${url}/tasks/slow`, { method: 'POST', body: 'text' })
  await entered.promise
  process.emit('SIGTERM')
  await draining.promise
  t.equal(await statusOf(`${url}/ready`), 503)
  t.equal(await statusOf(`${url}/health`), 200, 'alive while it drains')
  t.match(await post(`${url}/assign`), { status: 503, code: 'AGENT_NOT_READY' })
  drain.resolve()
  const code = exited.then((code) => {
    events.push('exit')
    return code
  })
  while (!events.includes('drained')) await new Promise(setImmediate)
  answer.resolve()
  t.equal(await (await inFlight).text(), 'slow text')
  t.equal(await code, 0, 'a request that never becomes complete does not hold it up')
  t.same(events, ['drained', 'exit'])
})

void t.test('when the session server says that the session is over, the agent ends and leaves', async (t) => {
  const apiPort = await startHttp(t, (_request, response) => {
    response.statusCode = 409
    response.end('{"code":"GRN_STALE_EPOCH"}')
  })
  const orders: EndOrder[] = []
  const { delivery, exited } = await startAgent(t, { onEnd: (order) => void orders.push(order) })
  const leased = { ...assignment, leaseMs: 60, apiUrl: `http://127.0.0.1:${apiPort}` }
  t.match(await delivery.assign(pod, leased, 5_000), { kind: 'accepted' })
  t.equal(await exited, 0)
  t.same(orders, [{ ...order, reason: 'GRN_STALE_EPOCH' }])
})

void t.test('a route that throws is a 500 with a code, and the pod goes on', async (t) => {
  const { url, logged } = await startAgent(t, {
    routes: {
      'GET /broken': () => {
        throw new Error('secret text')
      },
    },
  })
  const response = await fetch(`${url}/broken`)
  t.equal(response.status, 500)
  t.match(await response.json(), { code: 'AGENT_INTERNAL', status: 500 })
  t.notMatch(logged.join(), /secret text/)
  t.equal(await statusOf(`${url}/ready`), 200)
})

void t.test('a repeated assignment brings a fresh room token and nothing else', async (t) => {
  const access = (token: string) => ({ url: 'ws://l', room: 'r', token, expiresAt: '2030-01-01T00:00:00Z' })
  let agent: AgentSession | undefined
  const { delivery } = await startAgent(t, {
    onAssign: (given) => {
      agent = given
    },
  })
  await delivery.assign(pod, { ...assignment, livekit: access('a'), secrets: { KEY: 'k' } }, 5_000)
  const again = { ...assignment, livekit: access('b'), metadata: { other: true } }
  t.match(await delivery.assign(pod, again, 5_000), { kind: 'accepted' })
  t.equal(agent?.livekit.access()?.token, 'b')
  t.match([agent?.secrets, agent?.session.metadata], [{ KEY: 'k' }, {}])
})

void t.test('SIGTERM while serving: onDrain, then the session ends for this pod, hooks, exit', async (t) => {
  const events: string[] = []
  const { delivery, exited } = await startAgent(t, {
    onAssign: (agent) => {
      agent.signal.addEventListener('abort', () => events.push('signal'))
      agent.beforeExit(() => void events.push('before exit'))
    },
    onDrain: () => void events.push('drain'),
    onEnd: ({ reason }) => void events.push(reason),
  })
  await delivery.assign(pod, assignment, 5_000)
  process.emit('SIGTERM')
  t.equal(await exited, 0)
  t.same(events, ['drain', 'signal', 'pod:terminating', 'before exit'])
})

void t.test('the pod is ready before onReady has finished', async (t) => {
  const never = new Promise<void>(() => undefined)
  const { url, delivery } = await startAgent(t, { onReady: () => never })
  t.equal(await statusOf(`${url}/ready`), 200)
  t.match(await delivery.assign(pod, assignment, 5_000), { kind: 'accepted' })
})

void t.test('and when it fails', async (t) => {
  const { url, logged } = await startAgent(t, {
    onReady: () => {
      throw new TypeError('no model')
    },
  })
  t.equal(await statusOf(`${url}/ready`), 200)
  const failure = /"onReady failed","error":"TypeError"/
  t.ok(await until('the failure in the log', () => failure.test(logged.join())))
})

import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { createAgentDelivery } from '../../src/delivery/agent-delivery.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import type { AssignmentEcho } from '../../src/domain/assignment.ts'
import {
  newAssignment,
  newKeyPair,
  newRecipient,
  podUid,
  privateSet,
  startHttp,
  startTcp,
} from '../agent/contract-fixture.ts'

const pair = newKeyPair('k1')
const keys = await loadSigningKeys(privateSet(pair))
const assignment = newAssignment({ secrets: { API_KEY: 'sk-very-secret' } })
const echo: AssignmentEcho = { podUid, sessionId: assignment.sessionId, epoch: assignment.epoch }

/** Short enough for a test, long enough for a busy machine. */
const shortMs = 150

type Options = Omit<Parameters<typeof createAgentDelivery>[0], 'keys'>

function assignTo(port: number, options: Options = {}, deadlineMs = 5_000) {
  return createAgentDelivery({ keys, port, ...options }).assign(newRecipient(), assignment, deadlineMs)
}

void t.test('an assignment is posted once, as JSON, and its echo is accepted', async (t) => {
  const seen: { line: string; type: unknown; bearer: unknown; body: unknown; connection: unknown }[] = []
  const port = await startHttp(t, (request, response, body) => {
    seen.push({
      line: `${request.method} ${request.url}`,
      type: request.headers['content-type'],
      bearer: request.headers.authorization,
      connection: request.headers.connection,
      body: JSON.parse(body),
    })
    response.end(JSON.stringify({ ...echo, more: 'ignored' }))
  })
  t.same(await assignTo(port), { kind: 'accepted', echo }, 'only the three fields are kept')
  t.equal(seen.length, 1)
  t.match(seen[0], { line: 'POST /assign', type: 'application/json', connection: 'close', body: assignment })
  t.match(seen[0]?.bearer, /^Bearer [\w-]+\.[\w-]+\.[\w-]+$/)
})

void t.test("the caller's trace goes to the agent, and none where there is none", async (t) => {
  const seen: unknown[] = []
  const port = await startHttp(t, (request, response) => {
    seen.push([request.headers.traceparent, request.headers.tracestate])
    response.end(JSON.stringify(echo))
  })
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const delivery = createAgentDelivery({ keys, port })
  await delivery.assign(newRecipient(), assignment, 5_000, { traceparent })
  await delivery.assign(newRecipient(), assignment, 5_000, { traceparent, tracestate: 'a=1,b@c=x y' })
  await delivery.assign(newRecipient(), assignment, 5_000)
  t.same(seen, [
    [traceparent, undefined],
    [traceparent, 'a=1,b@c=x y'],
    [undefined, undefined],
  ])
})

void t.test('an end order goes to /end', async (t) => {
  const port = await startHttp(t, (request, response) => {
    t.equal(request.url, '/end')
    response.end(JSON.stringify(echo))
  })
  const order = { sessionId: assignment.sessionId, epoch: 1, reason: 'ended:caller' }
  t.same(await createAgentDelivery({ keys, port }).end(newRecipient(), order), { kind: 'accepted', echo })
})

void t.test('a pod that answers anything else refuses', async (t) => {
  const answers: Record<string, { status?: number; body: string; reason: string; code?: string }> = {
    'another session': {
      status: 409,
      body: JSON.stringify({ code: 'AGENT_OTHER_SESSION', detail: 'x' }),
      reason: 'status 409 AGENT_OTHER_SESSION',
      code: 'AGENT_OTHER_SESSION',
    },
    unauthenticated: { status: 401, body: '', reason: 'status 401' },
    redirect: { status: 302, body: '', reason: 'status 302' },
    'a secret in the answer': {
      status: 500,
      body: JSON.stringify({ code: 'sk-very-secret' }),
      reason: 'status 500',
    },
    'a code with control characters': { status: 500, body: '{"code":"A\\nB"}', reason: 'status 500' },
    'a code without end': {
      status: 500,
      body: JSON.stringify({ code: 'A'.repeat(65) }),
      reason: 'status 500',
    },
    'not JSON': { body: 'ok', reason: 'status 200 without a valid echo' },
    'JSON null': { body: 'null', reason: 'status 200 without a valid echo' },
    'half an echo': { body: JSON.stringify({ podUid }), reason: 'status 200 without a valid echo' },
    'another pod': { body: JSON.stringify({ ...echo, podUid: 'x' }), reason: 'the echo names another pod' },
    'other session in the echo': {
      body: JSON.stringify({ ...echo, sessionId: 'x' }),
      reason: 'the echo names another session or epoch',
    },
    'other epoch in the echo': {
      body: JSON.stringify({ ...echo, epoch: 2 }),
      reason: 'the echo names another session or epoch',
    },
    'a long answer': { body: ' '.repeat(65 * 1024), reason: 'answer longer than 65536 bytes' },
  }
  for (const [name, { status = 200, body, reason, code }] of Object.entries(answers)) {
    const port = await startHttp(t, (_request, response) => {
      response.statusCode = status
      response.end(body)
    })
    t.same(await assignTo(port), { kind: 'refused', reason, ...(code && { code }) }, name)
  }
})

void t.test('what is not HTTP refuses', async (t) => {
  const port = await startTcp(t, (socket) => socket.write('220 mail.example ESMTP\r\n\r\n'))
  t.match(await assignTo(port), { kind: 'refused', reason: 'answer is not HTTP' })
})

void t.test('an answer is read however it comes', async (t) => {
  const body = JSON.stringify(echo)
  const sized = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const half = body.length >> 1
  const chunks = [body.slice(0, half), body.slice(half)]
    .map((part) => `${part.length.toString(16)};x=y\r\n${part}\r\n`)
    .join('')
  const answers: Record<string, string> = {
    'of a length': sized,
    'in chunks': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\nTrailer: x\r\n\r\n`,
    'up to the end': `HTTP/1.0 200 OK\r\n\r\n${body}`,
    'after others that only announce it': `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n${sized}`,
    'before another one': `${sized}HTTP/1.1 500 Oops\r\n\r\n`,
  }
  for (const [name, answer] of Object.entries(answers)) {
    const whole = await startTcp(t, (socket) => socket.once('data', () => socket.end(answer)))
    t.match(await assignTo(whole), { kind: 'accepted', echo }, name)
    const byByte = await startTcp(t, (socket) => socket.once('data', () => dribble(socket, answer)))
    t.match(await assignTo(byByte), { kind: 'accepted', echo }, `${name}, byte by byte`)
  }
})

/** Each byte in a packet of its own. */
function dribble(socket: Socket, text: string): void {
  socket.setNoDelay(true)
  const [first, rest] = [text.slice(0, 1), text.slice(1)]
  if (first === '') socket.end()
  else if (!socket.destroyed) socket.write(first, () => setImmediate(() => dribble(socket, rest)))
}

void t.test('an answer without end refuses at 64 KiB', async (t) => {
  const port = await startTcp(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
    const pump = (): void => {
      while (!socket.destroyed && socket.write(`1000\r\n${' '.repeat(4096)}\r\n`));
    }
    socket.on('drain', pump)
    pump()
  })
  t.match(await assignTo(port), { kind: 'refused', reason: /longer than/ })
})

void t.test('a pod that does not answer is unreachable', async (t) => {
  const cases: Record<string, { handle: (socket: Socket) => void; reason: RegExp }> = {
    'accepts and hangs': { handle: () => {}, reason: /^no answer in time$/ },
    'cuts at once': { handle: (socket) => socket.destroy(), reason: /^connection / },
    'cuts after the request': {
      handle: (socket) => socket.once('data', () => socket.resetAndDestroy()),
      reason: /^connection failed \(ECONNRESET\)$/,
    },
    'cuts within the answer': {
      handle: (socket) =>
        socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"podUid"')),
      reason: /^connection/,
    },
    'hangs within the answer': {
      handle: (socket) =>
        socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"podUid"')),
      reason: /^no answer in time$/,
    },
    'says it will switch protocols': {
      handle: (socket) =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
      reason: /^no answer in time$/,
    },
  }
  for (const [name, { handle, reason }] of Object.entries(cases)) {
    const port = await startTcp(t, handle)
    const outcome = await assignTo(port, { acknowledgeTimeoutMs: shortMs })
    t.match(outcome, { kind: 'unreachable', reason }, name)
  }
})

void t.test('an answer that comes too late is no answer', async (t) => {
  let answered: (() => void) | undefined
  const port = await startHttp(t, (_request, response) => {
    answered = () => response.end(JSON.stringify(echo))
  })
  const outcome = await assignTo(port, { acknowledgeTimeoutMs: shortMs })
  answered?.()
  t.same(outcome, { kind: 'unreachable', reason: 'no answer in time' })
})

void t.test('no phase lasts beyond the deadline of the caller', async (t) => {
  const port = await startTcp(t, () => {})
  const startedAt = performance.now()
  t.same(await assignTo(port, {}, shortMs), { kind: 'unreachable', reason: 'no answer in time' })
  t.ok(performance.now() - startedAt < 1_000, 'far below the acknowledgement timeout')
})

void t.test('nobody at the address', async (t) => {
  const port = await closedPort(t)
  t.same(await assignTo(port), {
    kind: 'unreachable',
    reason: 'connection failed (ECONNREFUSED)',
    untouched: true,
  })
})

void t.test('a connection that is never made', async (t) => {
  const port = await startFullWorker(t)
  const startedAt = performance.now()
  const outcome = await assignTo(port, { connectTimeoutMs: shortMs })
  t.same(outcome, { kind: 'unreachable', reason: 'no connection in time', untouched: true })
  t.ok(performance.now() - startedAt < 1_000, 'far below the acknowledgement timeout')
})

void t.test('a pod without an address is not looked for on this machine', async (t) => {
  let called = false
  const port = await startHttp(t, (_request, response) => {
    called = true
    response.end(JSON.stringify(echo))
  })
  const delivery = createAgentDelivery({ keys, port })
  for (const ip of ['', 'localhost']) {
    const outcome = await delivery.assign(newRecipient({ ip }), assignment, 5_000)
    t.same(outcome, { kind: 'unreachable', reason: 'the pod has no IP address' }, JSON.stringify(ip))
  }
  t.notOk(called)
})

void t.test('a pod that knows none of our keys is not asked', async (t) => {
  const delivery = createAgentDelivery({ keys, port: 1 })
  const outcome = await delivery.assign(newRecipient({ assignKeyIds: ['k9'] }), assignment, 5_000)
  t.same(outcome, { kind: 'refused', reason: 'the pod lists none of the signing keys of this server' })
})

void t.test('a stalled process does not condemn a healthy pod', async (t) => {
  const stallMs = 2_000

  void t.test('stalled while the connection is made', async (t) => {
    const { port } = await startEchoWorker(t)
    const outcome = assignTo(port)
    // The SYN is on its way when this tick is over.
    process.nextTick(() => stall(stallMs))
    t.match(await outcome, { kind: 'accepted' })
  })

  void t.test('stalled while the pod answers', async (t) => {
    const { port, arrived } = await startEchoWorker(t)
    const outcome = assignTo(port)
    while (Atomics.load(arrived, 0) === 0) await new Promise(setImmediate)
    stall(stallMs)
    t.match(await outcome, { kind: 'accepted' })
  })

  void t.test('stalled before anything was sent', async (t) => {
    const { port } = await startEchoWorker(t)
    const outcome = assignTo(port)
    stall(stallMs)
    t.match(await outcome, { kind: 'accepted' })
  })
})

function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** A pod on a thread of its own, so that it goes on while this thread stalls. It takes 50 ms to answer. */
async function startEchoWorker(t: Test): Promise<{ port: number; arrived: Int32Array }> {
  const arrived = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads')
     const server = require('node:http').createServer((request, response) => {
       Atomics.store(workerData.arrived, 0, 1)
       setTimeout(() => response.end(workerData.answer), 50)
       request.resume()
     })
     server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`,
    { eval: true, workerData: { arrived, answer: JSON.stringify(echo) } },
  )
  t.teardown(() => worker.terminate())
  const port = await new Promise<number>((resolve) => worker.once('message', resolve))
  return { port, arrived }
}

/** A listener that accepts nothing and whose queue is full, so that the kernel drops every further SYN. */
async function startFullWorker(t: Test): Promise<number> {
  const worker = new Worker(
    `const server = require('node:net').createServer()
     server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       require('node:worker_threads').parentPort.postMessage(server.address().port)
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
     })`,
    { eval: true },
  )
  t.teardown(() => worker.terminate())
  const port = await new Promise<number>((resolve) => worker.once('message', resolve))
  // Two fill a queue of one (Linux counts so); the others find out that it is full.
  const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  t.teardown(() => {
    for (const filler of fillers) filler.destroy()
  })
  let connected = 0
  for (const filler of fillers) filler.once('connect', () => (connected += 1))
  while (connected < 2) await new Promise(setImmediate)
  return port
}

/** A port that was free a moment ago. */
async function closedPort(t: Test): Promise<number> {
  let port = 0
  await t.test('find a free port', async (t) => {
    port = await startTcp(t, () => {})
  })
  return port
}

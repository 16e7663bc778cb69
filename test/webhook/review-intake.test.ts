import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { samplePod } from '../admission/pod-samples.ts'
import { sendHalf } from '../support/half-sent-request.ts'
import { reviewBody, startWebhookBed } from './webhook-bed.ts'
import type { Reply } from './webhook-client.ts'

type Bed = Awaited<ReturnType<typeof startWebhookBed>>

/** A review that holds its place until it is finished or given up. */
async function halfSent(t: Test, { server }: Bed) {
  const socket = connect(server)
  await once(socket, 'secureConnect')
  return sendHalf(t, socket, { path: '/mutate', body: JSON.stringify(reviewBody()) })
}

async function value(bed: Bed, name: string): Promise<number> {
  return (await bed.registry.getSingleMetric(name)?.get())?.values[0]?.value ?? 0
}

/** Every body counts as large, and there is one place. */
const limits = {
  smallBytes: 0,
  bytes: 1024 * 1024,
  large: 1,
  waiting: 1,
  silentMs: 30_000,
  bodyMs: 30_000,
}
const inFlight = 'greenroom_admission_in_flight'
const waiting = 'greenroom_admission_waiting'

void t.test(
  'who comes when it is full waits and is answered; who finds the queue full is told when',
  async (t) => {
    const bed = await startWebhookBed(t, { intakeLimits: limits })
    const first = await halfSent(t, bed)
    await until('the first one to be inside', async () => (await value(bed, inFlight)) === 1)
    const second = bed.post('/mutate', reviewBody())
    await until('the second one to wait', async () => (await value(bed, waiting)) === 1)
    const third = await bed.post('/mutate', reviewBody())
    t.match(third, { status: 429, headers: { 'retry-after': '1' }, json: { code: 'GRN_OVERLOADED' } })
    t.match((await bed.get('/readyz')).status, 200, 'probes do not wait')
    t.match(await first.finish(), /^HTTP\/1\.1 200/)
    t.match(await second, { status: 200, json: { response: { allowed: true } } })
    await until('all to be gone', async () => (await value(bed, inFlight)) === 0)
    t.equal(await value(bed, waiting), 0)
    t.match((await bed.ops.get('/metrics')).text, /greenroom_admission_waited_total 1\n/)
  },
)

void t.test('a wait ends with the deadline of the caller', async (t) => {
  const bed = await startWebhookBed(t, { intakeLimits: limits })
  const first = await halfSent(t, bed)
  await until('the first one to be inside', async () => (await value(bed, inFlight)) === 1)
  t.match(await bed.post('/mutate?timeout=0s', reviewBody()), {
    status: 429,
    json: { code: 'GRN_OVERLOADED' },
  })
  t.equal(await value(bed, waiting), 0)
  first.giveUp()
  await until('its place to be free', async () => (await value(bed, inFlight)) === 0)
  t.equal((await bed.post('/mutate', reviewBody())).status, 200)
})

void t.test('a caller that goes away while it waits leaves the queue', async (t) => {
  const bed = await startWebhookBed(t, { intakeLimits: limits })
  const first = await halfSent(t, bed)
  await until('the first one to be inside', async () => (await value(bed, inFlight)) === 1)
  const second = await halfSent(t, bed)
  await until('the second one to wait', async () => (await value(bed, waiting)) === 1)
  second.giveUp()
  await until('nobody to wait', async () => (await value(bed, waiting)) === 0)
  t.match(await first.finish(), /^HTTP\/1\.1 200/)
})

void t.test('while draining every answer ends its connection, and none is refused', async (t) => {
  const draining = new AbortController()
  const bed = await startWebhookBed(t, { draining: draining.signal })
  const connectionOf = ({ headers }: Reply) => headers.connection
  t.equal(connectionOf(await bed.postKept('/mutate', reviewBody())), 'keep-alive')
  draining.abort()
  const last = await bed.postKept('/mutate', reviewBody())
  t.match(last, { status: 200, json: { response: { allowed: true } } })
  t.equal(connectionOf(last), 'close')
  t.equal((await bed.postKept('/mutate', reviewBody())).status, 200, 'over a new connection')
})

void t.test(
  'what comes over a kept connection while the replica closes is judged, not refused',
  async (t) => {
    const bed = await startWebhookBed(t)
    const first = await halfSent(t, bed)
    await until('the first one to be inside', async () => (await value(bed, inFlight)) === 1)
    const closed = bed.app.close()
    await until('no new connection to be taken', () => !bed.app.server.listening)
    const body = JSON.stringify(reviewBody())
    const head = `POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`
    const answers = await first.finish(`${head}\r\n\r\n${body}`, 2)
    t.same(answers.match(/HTTP\/1\.1 \d{3}/g), ['HTTP/1.1 200', 'HTTP/1.1 200'])
    t.same(answers.match(/"allowed":true/g)?.length, 2)
    await closed
  },
)

/** POSTs of 7 MB, each with so many bytes sent. */
async function promise(
  t: Test,
  bed: Bed,
  { count, sent }: { count: number; sent: number },
): Promise<TLSSocket[]> {
  const head =
    'POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 7000000\r\n\r\n'
  const sockets = Array.from({ length: count }, () => connect(bed.server))
  for (const socket of sockets) {
    t.teardown(() => socket.destroy())
    socket.on('error', () => undefined).resume()
  }
  // All at once: on a busy machine the handshakes alone take longer than a body may.
  await Promise.all(sockets.map((socket) => once(socket, 'secureConnect')))
  for (const socket of sockets) {
    socket.write(head + ' '.repeat(sent))
  }
  await until('the promises', async () => (await value(bed, inFlight)) + (await value(bed, waiting)) >= count)
  return sockets
}

void t.test('bodies that are promised and not sent hold up nobody, and not for long', async (t) => {
  const bed = await startWebhookBed(t)
  const idle = await promise(t, bed, { count: 100, sent: 1 })
  const startMs = performance.now()
  t.match(await bed.post('/mutate?timeout=2s', reviewBody()), {
    status: 200,
    json: { response: { allowed: true } },
  })
  t.ok(performance.now() - startMs < 1_000, 'at once')
  await until('their connections to be closed', () => idle.every(({ closed }) => closed))
  t.ok(performance.now() - startMs < 4_000, 'after 2 s and what a busy machine adds')
  t.match((await bed.ops.get('/metrics')).text, /refused_requests_total\{code="GRN_BODY_TOO_SLOW"\} 100\n/)
})

void t.test('large bodies that stop half-way hold up no small one, and a large one hardly', async (t) => {
  const bed = await startWebhookBed(t)
  await promise(t, bed, { count: 3, sent: 300_000 })
  t.equal((await bed.post('/mutate', reviewBody())).status, 200)
  const large = reviewBody(samplePod({ annotations: { big: 'x'.repeat(1_000_000) } }))
  t.equal((await bed.post('/mutate', large)).status, 200)
})

void t.test('a body that arrives while the webhook is busy is not too slow', async (t) => {
  const bed = await startWebhookBed(t, { intakeLimits: { ...limits, bodyMs: 500 } })
  const half = await halfSent(t, bed)
  await until('the first half to be inside', async () => (await value(bed, inFlight)) === 1)
  // As while it judges another review: the timers come before the next reads.
  await setImmediate()
  const answer = half.finish()
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
  t.match(await answer, /^HTTP\/1\.1 200/)
})

import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect as connectBare } from 'node:net'
import { connect } from 'node:tls'
import { CoreV1Api, type V1Pod } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { defaultIntakeLimits } from '../../src/webhook/review-intake.ts'
import { keySet, policy } from '../admission/pod-samples.ts'
import { sendHalf } from '../support/half-sent-request.ts'
import { refusal, startAdmissionBed } from './admission-bed.ts'

/** What the API server makes of a webhook that has neither room for a review nor a place to wait. */

const namespace = 'ai-agents'
/** One place for any body, and nobody gives it up. */
const intakeLimits = {
  smallBytes: 0,
  bytes: 1024 * 1024,
  large: 1,
  waiting: 0,
  silentMs: 30_000,
  bodyMs: 30_000,
}
const { plane, registry } = await startAdmissionBed(t, {
  name: 'overload',
  policy,
  assignKeys: keySet,
  intakeLimits,
})
await plane.createNamespace(namespace, { 'greenroom.dev/agents': 'enabled' })
const core = plane.admin().makeApiClient(CoreV1Api)
const createPod = (): Promise<V1Pod> =>
  core.createNamespacedPod({
    namespace,
    body: { metadata: { generateName: 'x-' }, spec: { containers: [{ name: 'agent', image: 'x:1' }] } },
  })

async function valueOf(metric: string): Promise<number> {
  const values = (await registry.getSingleMetric(metric)?.get())?.values ?? []
  return values.reduce((sum, { value }) => sum + value, 0)
}

/** A review that takes the only place until it is given up. */
async function fillGate(t: Test) {
  const { host, port, caPath } = plane.webhook
  const socket = connect({ host, port, ca: await readFile(caPath, 'utf8') })
  await once(socket, 'secureConnect')
  const review = sendHalf(t, socket, { path: '/mutate', body: JSON.stringify({ kind: 'AdmissionReview' }) })
  await until('the gate to be full', async () => (await valueOf('greenroom_admission_in_flight')) === 1)
  return review
}

void t.test(
  'a review that is refused once comes again when the answer says, and its pod is made',
  async (t) => {
    const inTheWay = await fillGate(t)
    const refusedBefore = await valueOf('greenroom_admission_refused_requests_total')
    const made = createPod()
    const refused = async () => (await valueOf('greenroom_admission_refused_requests_total')) > refusedBefore
    await until('a refusal', refused)
    inTheWay.giveUp()
    t.match((await made).spec, { automountServiceAccountToken: false }, 'judged by the second request')
  },
)

void t.test(
  'while there is no room it asks again until its own deadline, and then refuses the pod',
  async (t) => {
    const inTheWay = await fillGate(t)
    const refusedBefore = await valueOf('greenroom_admission_refused_requests_total')
    t.match(await refusal(createPod()), /failed calling webhook .*harden.*context deadline exceeded/)
    const refused = (await valueOf('greenroom_admission_refused_requests_total')) - refusedBefore
    t.ok(refused >= 2, `asked ${refused} times`)
    inTheWay.giveUp()
    await until('room', async () => (await valueOf('greenroom_admission_in_flight')) === 0)
    t.equal(await refusal(createPod()), '')
  },
)

void t.test('no pod fails while somebody who reaches the port does his worst', async (t) => {
  Object.assign(intakeLimits, defaultIntakeLimits)
  const { host, port, caPath } = plane.webhook
  const ca = await readFile(caPath, 'utf8')
  const head = (path: string) => `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`
  const promised = 'content-length: 7000000\r\n\r\n'
  /** Each with how many connections, all from another address than the API server's. */
  const attacks = {
    'three promises of 7 MB': { count: 3, first: `${head('/mutate')}${promised}x` },
    'the same, explained': { count: 3, first: `${head('/explain')}${promised}x` },
    '200 of them': { count: 200, first: `${head('/mutate')}${promised}x` },
    'large bodies that stop': { count: 20, first: head('/mutate') + promised + ' '.repeat(300_000) },
    'bodies that drip': { count: 100, first: head('/validate') + promised, drip: ' ' },
    'heads that drip': { count: 100, first: 'POST /mutate HTTP/1.1\r\n', drip: 'x: y\r\n' },
    'nothing at all': { count: 300, first: '' },
    pipelines: { count: 10, first: 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(500) },
  }
  for (const [name, { count, first, ...more }] of Object.entries(attacks)) {
    const sockets = Array.from({ length: count }, () => {
      const socket = connect({ socket: connectBare({ host, port, localAddress: '127.0.0.9' }), ca })
      socket.on('error', () => undefined).resume()
      socket.write(first)
      return socket
    })
    // Handshakes that never end.
    const bare = Array.from({ length: 100 }, () => connectBare({ host, port, localAddress: '127.0.0.9' }))
    for (const socket of bare) socket.on('error', () => undefined).write('\u0016\u0003\u0001')
    const drip = setInterval(() => {
      if ('drip' in more) for (const socket of sockets) if (socket.writable) socket.write(more.drip)
    }, 100)
    const refusals: string[] = []
    for (let pod = 0; pod < 8; pod += 1) refusals.push(await refusal(createPod()))
    t.same(refusals, Array(8).fill(''), name)
    clearInterval(drip)
    for (const socket of [...sockets, ...bare]) socket.destroy()
  }
})

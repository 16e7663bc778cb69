import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:tls'
import { CoreV1Api, type V1Pod } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { keySet, policy } from '../admission/pod-samples.ts'
import { sendHalf } from '../support/half-sent-request.ts'
import { refusal, startAdmissionBed } from './admission-bed.ts'

/** What the API server makes of a webhook that has neither room for a review nor a place to wait. */

const namespace = 'ai-agents'
const { plane, registry } = await startAdmissionBed(t, {
  name: 'overload',
  policy,
  assignKeys: keySet,
  gateLimits: { bytes: 1024 * 1024, reviews: 1, waiting: 0 },
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

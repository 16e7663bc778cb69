import { CoreV1Api, type V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { startBed } from '../../bed/bed.ts'
import { until } from '../../bed/processes/until.ts'
import { loadKubeAccess } from '../../src/cluster/kube-access.ts'
import { asStrategicMerge, createKubeClients } from '../../src/cluster/kube-clients.ts'
import { createPodWriter } from '../../src/cluster/pod-writer.ts'
import { greenroomUser } from '../admission/pod-samples.ts'
import { createSessionCaller } from './session-caller.ts'

/**
 * Thin idle pods on a real API server with the real webhook: how they are made, who may resize them, and how they grow when a
 * session claims them. What a kubelet makes of it is shown on a real cluster (test/cluster-run).
 */

t.setTimeout(180_000)
const template = { image: 'greenroom:0.1.0', command: ['node', 'src/agent/echo-agent.ts'] }
const poolsOf = (pool: object) => JSON.stringify({ pools: { 'echo-agent': { template, max: 9, ...pool } } })
const bed = await startBed({ pools: poolsOf({ min: 0 }) })
const { namespace, plane } = bed
const { client, kubectl, setPools, open } = createSessionCaller(bed)
const core = plane.admin().makeApiClient(CoreV1Api)
t.teardown(async () => {
  client.close()
  await bed.stop()
})

const thin = { cpu: '5m', memory: '16Mi' }
const full = { cpu: '50m', memory: '128Mi' }

async function setThin(value: object | undefined, version: string): Promise<void> {
  const configMap = JSON.parse(await kubectl('get', 'configmap', 'agent-policy', '-o', 'json'))
  const policy = parse(configMap.data['policy.yaml'])
  policy.version = version
  policy.agentTypes['echo-agent'].thin = value
  const patch = JSON.stringify({ data: { 'policy.yaml': stringify(policy) } })
  await kubectl('patch', 'configmap', 'agent-policy', '--type=merge', '-p', patch)
  await until('the policy to be in force', async () => {
    const kept = await core.readNamespacedConfigMap({ namespace, name: 'agent-policy-accepted' })
    return kept.data?.['policy.yaml']?.includes(`version: ${version}`)
  })
}

const idle = async (): Promise<V1Pod[]> => {
  const selector = 'greenroom.dev/pool=echo-agent,greenroom.dev/state=idle'
  return JSON.parse(await kubectl('get', 'pods', '-l', selector, '-o', 'json')).items
}
const requestsOf = (pod: V1Pod | undefined) => {
  const { cpu, memory } = pod?.spec?.containers[0]?.resources?.requests ?? {}
  return { cpu, memory }
}
const read = async (name: string) => requestsOf(await core.readNamespacedPod({ namespace, name }))
const isThin = (pod: V1Pod) => requestsOf(pod).cpu === thin.cpu

await setThin(thin, 'thin')
await setPools(poolsOf({ min: 2 }))
await until('two idle pods', async () => (await client.pool('echo-agent')).body.ready === 2, 60_000)

void t.test('idle pods are thin, and their limits are those of the row', async (t) => {
  const pods = await idle()
  t.same(pods.map(requestsOf), [thin, thin])
  t.match(pods[0]?.spec?.containers[0]?.resources?.limits, { cpu: '250m', memory: '512Mi' })
  t.match((await client.pool('echo-agent')).body.thin, { thin: 2, full: 0 })
  t.equal(pods[0]?.status?.qosClass, 'Burstable')
})

void t.test('nobody resizes a pod of a pool but Greenroom, and only to its full size', async (t) => {
  const [pod] = (await idle()).filter(isThin)
  const name = pod?.metadata?.name ?? ''
  const patch = (requests: object) => ({ spec: { containers: [{ name: 'agent', resources: { requests } }] } })
  const wanted = ['--subresource=resize', '--dry-run=server', '-p', JSON.stringify(patch(full))]
  const byAdmin = await plane.kubectl(['patch', 'pod', name, '-n', namespace, ...wanted])
  t.match(byAdmin.stderr, /GRN_POD_OWNERSHIP/, 'not even the administrator')
  const access = await loadKubeAccess({ KUBECONFIG: await plane.kubeconfigFor(greenroomUser) })
  const own = createKubeClients({ access })
  t.teardown(() => own.close())
  const resize = (requests: object) => {
    const body = patch(requests)
    return own.core.patchNamespacedPodResize({ name, namespace, body, dryRun: 'All' }, asStrategicMerge)
  }
  await t.rejects(resize({ cpu: '200m', memory: '128Mi' }), /GRN_POLICY_VIOLATION.*resources/s)
  await t.rejects(resize({ cpu: '6m' }), /GRN_POLICY_VIOLATION.*resources/s)
  t.same(requestsOf(await resize(full)), full)
  // Of a pod that has taken the name of another one nothing changes.
  const writer = createPodWriter({ clients: own, namespace })
  t.equal(await writer.resize({ name, uid: '00000000-0000-0000-0000-000000000000' }, full), false)
  t.same(await read(name), thin)
})

void t.test(
  'a claimed pod gets its full requests within a second, and the next one is thin again',
  async (t) => {
    const begun = performance.now()
    const { pod } = await open()
    await until('the full size', async () => (await read(pod.name)).cpu === full.cpu, 10_000)
    const ms = performance.now() - begun
    t.comment(`full ${ms.toFixed()} ms after the open began`)
    t.ok(ms < 5_000, `${ms} ms`)
    t.same(await read(pod.name), full)
    await until(
      'the pool to be full again',
      async () => (await client.pool('echo-agent')).body.ready === 2,
      60_000,
    )
    t.match((await client.pool('echo-agent')).body.thin, { thin: 2, full: 1 })
    const writes = (await plane.writes()).filter(
      ({ resource, subresource, user, dryRun, code }) =>
        !dryRun && code === 200 && resource === 'pods' && subresource === 'resize' && user === greenroomUser,
    )
    t.equal(writes.length, 1, 'one write')
  },
)

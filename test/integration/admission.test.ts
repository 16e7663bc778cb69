import { AppsV1Api, CoreV1Api, KubeConfig, type V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { startControllerManager, withoutControllerManager } from '../../bed/servers/controller-manager.ts'
import { greenroomUser, policy } from '../admission/pod-samples.ts'
import { grant, refusal, startAdmissionBed } from './admission-bed.ts'
import { assertHardened, deploymentPod, keySet, poolPod } from './admission-pods.ts'

/** The API server itself calls the webhook, with the configurations of the manifests; PodSecurity judges the result. */

const replicaSetUser = 'system:serviceaccount:kube-system:replicaset-controller'
const kubelet = 'system:node:local'
const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' }

const { plane, folder, registry } = await startAdmissionBed(t, {
  name: 'admission',
  policy,
  assignKeys: keySet,
})
await plane.createNamespace('ai-agents', { ...restricted, 'greenroom.dev/agents': 'enabled' })
await plane.createNamespace('plain-restricted', restricted)
const editPods = {
  apiGroups: [''],
  resources: ['pods', 'pods/status', 'pods/binding', 'pods/ephemeralcontainers', 'pods/resize'],
  verbs: ['create', 'get', 'list', 'update', 'patch', 'delete'],
}
for (const user of [greenroomUser, replicaSetUser, kubelet, 'alice']) await grant(plane, user, [editPods])

async function podsAs(user: string): Promise<CoreV1Api> {
  const kubeConfig = new KubeConfig()
  kubeConfig.loadFromFile(await plane.kubeconfigFor(user))
  return kubeConfig.makeApiClient(CoreV1Api)
}

void t.test(
  'a bare kubectl run is hardened, and refused by PodSecurity where the webhook does not look',
  async (t) => {
    const run = (namespace: string) => plane.kubectl(['run', 'bare', '--image=nginx', '-n', namespace])
    const inside = await run('ai-agents')
    t.equal(inside.code, 0, inside.stderr)
    const core = plane.admin().makeApiClient(CoreV1Api)
    assertHardened(t, await core.readNamespacedPod({ namespace: 'ai-agents', name: 'bare' }), false)
    const outside = await run('plain-restricted')
    t.not(outside.code, 0)
    t.match(outside.stderr, /violates PodSecurity "restricted/)
  },
)

void t.test(
  "a pool's pod, created by Greenroom, is hardened; without the webhook it is refused",
  async (t) => {
    const core = await podsAs(greenroomUser)
    const pod = await core.createNamespacedPod({ namespace: 'ai-agents', body: poolPod() })
    assertHardened(t, pod, true)
    t.match(pod.metadata?.labels, {
      app: 'conversational-ai-agent',
      'agent-type': 'echo-agent',
      'greenroom.dev/pool': 'echo-agent',
    })
    t.match(pod.spec?.containers[0], {
      resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { cpu: '250m', memory: '512Mi' } },
      readinessProbe: { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 1 },
      livenessProbe: { httpGet: { path: '/health', port: 8080 }, initialDelaySeconds: 5, periodSeconds: 10 },
    })
    const outside = core.createNamespacedPod({
      namespace: 'plain-restricted',
      body: poolPod('plain-restricted'),
    })
    t.match(await refusal(outside), /violates PodSecurity/)
  },
)

void t.test(
  "a Deployment's pod is hardened in every container; without the webhook it is refused",
  async (t) => {
    const core = await podsAs(replicaSetUser)
    const pod = await core.createNamespacedPod({ namespace: 'ai-agents', body: deploymentPod() })
    assertHardened(t, pod, true)
    t.match(pod.spec?.containers[0]?.resources?.limits, { cpu: '1', memory: '2Gi' }, "the type's")
    t.match(pod.spec?.containers[1]?.resources?.limits, { cpu: '250m', memory: '256Mi' }, "the sidecar's")
    t.notOk(pod.spec?.containers[1]?.livenessProbe)
    t.match(pod.metadata?.ownerReferences?.[0], { kind: 'ReplicaSet', name: 'web-7d9c6b4f5' })
    const outside = core.createNamespacedPod({
      namespace: 'plain-restricted',
      body: deploymentPod('plain-restricted'),
    })
    t.match(await refusal(outside), /violates PodSecurity/)
  },
)

void t.test('refusals name the code and the way out', async (t) => {
  const core = await podsAs('alice')
  const create = (body: V1Pod) => refusal(core.createNamespacedPod({ namespace: 'ai-agents', body }))
  const pod = (labels: Record<string, string>, spec: Partial<V1Pod['spec']> = {}): V1Pod => ({
    metadata: { generateName: 'x-', labels },
    spec: { containers: [{ name: 'agent', image: 'x:1' }], ...spec },
  })
  const unknown = await create(pod({ 'agent-type': 'nobody' }))
  t.match(unknown, /GRN_AGENT_TYPE_UNKNOWN/)
  t.match(unknown, /echo-agent, stella|stella-agent/)
  t.match(
    await create(pod({ 'greenroom.dev/pool': 'echo-agent' })),
    /GRN_LABEL_OWNERSHIP.*greenroom\.dev\/pool/,
  )
  t.match(await create(pod({ session: 'abc' })), /GRN_LABEL_OWNERSHIP.*session/)
  t.match(await create(pod({ app: 'other', 'agent-type': 'echo-agent' })), /GRN_POLICY_VIOLATION.*app-label/)
  t.match(await create(pod({}, { hostNetwork: true })), /GRN_POLICY_VIOLATION.*spec\.hostNetwork/)
  t.match(
    await create(pod({}, { volumes: [{ name: 'host', hostPath: { path: '/' } }] })),
    /GRN_POLICY_VIOLATION.*volume-kinds/,
  )
  const privileged = { name: 'agent', image: 'x:1', securityContext: { privileged: true } }
  t.match(await create(pod({}, { containers: [privileged] })), /GRN_POLICY_VIOLATION.*privileged/)
  const stealing = { name: 'agent', image: 'x:1', envFrom: [{ secretRef: { name: 'greenroom-assign-key' } }] }
  t.match(await create(pod({}, { containers: [stealing] })), /GRN_POLICY_VIOLATION.*secret-references/)
})

void t.test('labels of Greenroom are changed by Greenroom alone, by every way there is', async (t) => {
  const core = await podsAs(greenroomUser)
  const created = await core.createNamespacedPod({ namespace: 'ai-agents', body: poolPod() })
  const name = created.metadata?.name ?? ''
  const kubectlAs = async (user: string, args: string[]) =>
    plane.kubectl([...args, '-n', 'ai-agents'], { kubeconfig: await plane.kubeconfigFor(user) })
  const patch = (user: string, value: object, subresource?: string) =>
    kubectlAs(user, [
      'patch',
      'pod',
      name,
      '--type=merge',
      `-p=${JSON.stringify(value)}`,
      ...(subresource ? [`--subresource=${subresource}`] : []),
    ])
  const stolen = { metadata: { labels: { 'greenroom.dev/state': 'claimed', session: 'mine' } } }

  for (const subresource of [undefined, 'status']) {
    const { code, stderr } = await patch('alice', stolen, subresource)
    t.not(code, 0, `alice by ${subresource ?? 'the pod itself'}`)
    t.match(stderr, /GRN_LABEL_OWNERSHIP/)
  }
  const removed = await patch('alice', { metadata: { labels: { 'greenroom.dev/pool': null } } })
  t.match(removed.stderr, /GRN_LABEL_OWNERSHIP/, 'removing one is changing it')
  const forged = { metadata: { annotations: { 'greenroom.dev/assign-key-ids': 'mine' } } }
  t.match((await patch('alice', forged, 'status')).stderr, /GRN_LABEL_OWNERSHIP/)

  const unrelated = await patch('alice', { metadata: { labels: { team: 'blue' } } })
  t.equal(unrelated.code, 0, unrelated.stderr)
  const ready = { status: { phase: 'Running', podIP: '127.0.0.9', podIPs: [{ ip: '127.0.0.9' }] } }
  const status = await patch(kubelet, ready, 'status')
  t.equal(status.code, 0, status.stderr)
  const claimed = await patch(greenroomUser, stolen)
  t.equal(claimed.code, 0, claimed.stderr)
  t.match((await patch('alice', { metadata: { labels: { session: null } } }, 'status')).stderr, /GRN_LABEL/)
})

void t.test('a binding carries no label of Greenroom to a pod, and binds without one', async (t) => {
  const core = await podsAs('alice')
  const created = await core.createNamespacedPod({
    namespace: 'ai-agents',
    body: { metadata: { generateName: 'b-' }, spec: { containers: [{ name: 'a', image: 'x:1' }] } },
  })
  const name = created.metadata?.name ?? ''
  const bind = (labels: Record<string, string>) =>
    refusal(
      core.createNamespacedPodBinding({
        namespace: 'ai-agents',
        name,
        body: { metadata: { name, labels }, target: { kind: 'Node', name: 'local' } },
      }),
    )
  t.match(await bind({ 'greenroom.dev/pool': 'echo-agent' }), /GRN_LABEL_OWNERSHIP/)
  t.notMatch(await bind({}), /admission webhook/)
  const bound = await core.readNamespacedPod({ namespace: 'ai-agents', name })
  t.equal(bound.spec?.nodeName, 'local')
})

void t.test('debug containers and resizes are judged too; deleting always works', async (t) => {
  const core = await podsAs('alice')
  const created = await core.createNamespacedPod({
    namespace: 'ai-agents',
    body: { metadata: { generateName: 'd-' }, spec: { containers: [{ name: 'a', image: 'x:1' }] } },
  })
  const name = created.metadata?.name ?? ''
  const alice = await plane.kubeconfigFor('alice')
  const patch = (subresource: string, spec: object) =>
    plane.kubectl(
      [
        'patch',
        'pod',
        name,
        '-n',
        'ai-agents',
        `--subresource=${subresource}`,
        `-p=${JSON.stringify({ spec })}`,
      ],
      { kubeconfig: alice },
    )
  const bad = await patch('ephemeralcontainers', {
    ephemeralContainers: [{ name: 'debug', image: 'sh:1', securityContext: { privileged: true } }],
  })
  t.not(bad.code, 0)
  const securityContext = {
    allowPrivilegeEscalation: false,
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
  }
  const thief = { name: 'debug', image: 'sh:1', securityContext, envFrom: [{ secretRef: { name: 'other' } }] }
  const stealing = await patch('ephemeralcontainers', { ephemeralContainers: [thief] })
  t.match(stealing.stderr, /GRN_POLICY_VIOLATION.*secret-references/)
  const good = await patch('ephemeralcontainers', {
    ephemeralContainers: [{ name: 'debug', image: 'sh:1', securityContext }],
  })
  t.equal(good.code, 0, good.stderr)
  const resources = { requests: { cpu: '50m', memory: '64Mi' }, limits: { cpu: '2', memory: '8Gi' } }
  const resized = await patch('resize', { containers: [{ name: 'a', resources }] })
  t.match(resized.stderr, /GRN_POLICY_VIOLATION.*resources/)
  t.equal(
    await refusal(core.deleteNamespacedPod({ namespace: 'ai-agents', name, gracePeriodSeconds: 0 })),
    '',
  )
})

void t.test('a status update that touches no label does not even reach the webhook', async (t) => {
  const core = await podsAs(greenroomUser)
  const created = await core.createNamespacedPod({ namespace: 'ai-agents', body: poolPod() })
  const reviews = async () =>
    ((await registry.getSingleMetric('greenroom_admission_reviews_total')?.get())?.values ?? []).reduce(
      (sum, { value }) => sum + value,
      0,
    )
  const before = await reviews()
  const { code, stderr } = await plane.kubectl(
    [
      'patch',
      'pod',
      created.metadata?.name ?? '',
      '-n',
      'ai-agents',
      '--subresource=status',
      '--type=merge',
      '-p={"status":{"phase":"Running"}}',
    ],
    { kubeconfig: await plane.kubeconfigFor(kubelet) },
  )
  t.equal(code, 0, stderr)
  t.equal(await reviews(), before)
})

const skip = withoutControllerManager(plane)

void t.test('a real Deployment gets its pod, and without the webhook gets none', { skip }, async (t) => {
  const program = await startControllerManager(plane, folder.path, [
    'deployment-controller',
    'replicaset-controller',
  ])
  t.teardown(() => program.stop())
  const apps = plane.admin().makeApiClient(AppsV1Api)
  const core = plane.admin().makeApiClient(CoreV1Api)
  const labels = { deployment: 'real', 'agent-type': 'stella-light' }
  const body = {
    metadata: { name: 'real' },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'agent', image: 'stella-light:1' }] } },
    },
  }
  for (const namespace of ['ai-agents', 'plain-restricted']) {
    await apps.createNamespacedDeployment({ namespace, body })
  }
  const labelSelector = 'deployment=real'
  const pod = await until(
    'the pod of the Deployment',
    async () => (await core.listNamespacedPod({ namespace: 'ai-agents', labelSelector })).items[0],
  )
  assertHardened(t, pod, true)
  t.match(pod.metadata?.ownerReferences?.[0]?.kind, 'ReplicaSet')
  const failure = await until('the refusal of a pod', async () => {
    const { status } = await apps.readNamespacedDeployment({ namespace: 'plain-restricted', name: 'real' })
    return status?.conditions?.find(({ type }) => type === 'ReplicaFailure')
  })
  t.match(failure.message, /violates PodSecurity/)
})

import { CoreV1Api, KubeConfig, type V1EnvVar, type V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { podRoads } from '../../src/admission/review/pod-roads.ts'
import { label } from '../../src/domain/names.ts'
import { greenroomUser, policy, serverEnv } from '../admission/pod-samples.ts'
import { grant, refusal, startAdmissionBed } from './admission-bed.ts'
import { keySet, poolPod } from './admission-pods.ts'

/**
 * Somebody who may create, read and patch pods in the namespace, and nothing else: can they become one of Greenroom's pods, or
 * turn one into something else? Asked of the real API server, by every road that it has.
 */

const namespace = 'ai-agents'
const server = 'session-management-server'
const replicaSetUser = 'system:serviceaccount:kube-system:replicaset-controller'
const kubelet = 'system:node:local'

const { plane } = await startAdmissionBed(t, { name: 'admission-identity', policy, assignKeys: keySet })
await plane.createNamespace(namespace, {
  'greenroom.dev/agents': 'enabled',
  'pod-security.kubernetes.io/enforce': 'restricted',
})
for (const name of ['session-management-sa', 'greenroom-migrate']) {
  await plane
    .admin()
    .makeApiClient(CoreV1Api)
    .createNamespacedServiceAccount({ namespace, body: { metadata: { name } } })
}
const roads = ['pods', 'pods/status', 'pods/binding', 'pods/ephemeralcontainers', 'pods/resize', 'bindings']
const everything = {
  apiGroups: [''],
  resources: roads,
  verbs: ['create', 'get', 'update', 'patch', 'delete'],
}
for (const user of [greenroomUser, replicaSetUser, kubelet, 'mallory']) await grant(plane, user, [everything])

async function podsAs(user: string): Promise<CoreV1Api> {
  const kubeConfig = new KubeConfig()
  kubeConfig.loadFromFile(await plane.kubeconfigFor(user))
  return kubeConfig.makeApiClient(CoreV1Api)
}
const mallory = await podsAs('mallory')

async function patchAs(user: string, name: string, value: object, subresource = ''): Promise<string> {
  const args = ['patch', 'pod', name, '-n', namespace, '--type=strategic', `-p=${JSON.stringify(value)}`]
  const through = subresource === '' ? [] : [`--subresource=${subresource}`]
  const { code, stderr } = await plane.kubectl([...args, ...through], {
    kubeconfig: await plane.kubeconfigFor(user),
  })
  return code === 0 ? '' : stderr
}

interface Discovered {
  readonly name: string
  readonly kind: string
  readonly verbs: readonly string[]
}

async function discovered(path: string): Promise<readonly Discovered[]> {
  const { stdout } = await plane.kubectl(['get', '--raw', path])
  return (JSON.parse(stdout) as { resources: Discovered[] }).resources
}

async function groupVersions(): Promise<string[]> {
  const { stdout } = await plane.kubectl(['get', '--raw', '/apis'])
  const { groups } = JSON.parse(stdout) as { groups: { versions: { groupVersion: string }[] }[] }
  return groups.flatMap(({ versions }) => versions.map(({ groupVersion }) => `/apis/${groupVersion}`))
}

const writing = ['create', 'update', 'patch']

void t.test('every road of the API to a pod, or to its namespace, is in the table', async (t) => {
  const known = new Set(podRoads.map(({ road }) => road))
  const core = await discovered('/api/v1')
  const isRoad = ({ name, kind, verbs }: Discovered): boolean =>
    (name.startsWith('pods/') || kind === 'Pod' || kind === 'Binding') &&
    verbs.some((verb) => writing.includes(verb))
  const found = core.filter(isRoad).map(({ name }) => name)
  t.ok(found.length >= 10, `${found.length} roads`)
  t.same(
    found.filter((name) => !known.has(name)),
    [],
    'a new road: say in pod-roads.ts what it writes, and have the webhook asked about it',
  )
  t.same([...known].filter((road) => !found.includes(road)).sort(), [], 'no road that is none')
  for (const path of await groupVersions()) {
    const elsewhere = (await discovered(path)).filter(
      (resource) => /^(Pod|Binding)$/.test(resource.kind) && isRoad(resource),
    )
    // Metrics and the like may show pods; none may write them.
    t.same(elsewhere, [], path)
  }
  const ofNamespaces = core.filter(
    ({ name, kind, verbs }) =>
      (name.startsWith('namespaces/') || kind === 'Namespace') &&
      verbs.some((verb) => verb === 'update' || verb === 'patch'),
  )
  t.same(ofNamespaces.map(({ name }) => name).sort(), [
    'namespaces',
    'namespaces/finalize',
    'namespaces/status',
  ])
})

void t.test('no Binding carries a label of Greenroom to a pod, by its older form neither', async (t) => {
  const pod = await mallory.createNamespacedPod({
    namespace,
    body: { metadata: { generateName: 'b-' }, spec: { containers: [{ name: 'a', image: 'x:1' }] } },
  })
  const name = pod.metadata?.name ?? ''
  const body = (labels: Record<string, string>) => ({
    metadata: { name, labels },
    target: { kind: 'Node', name: 'local' },
  })
  const older = (labels: Record<string, string>) =>
    refusal(mallory.createNamespacedBinding({ namespace, body: body(labels) }))
  const newer = (labels: Record<string, string>) =>
    refusal(mallory.createNamespacedPodBinding({ namespace, name, body: body(labels) }))
  for (const bind of [older, newer]) {
    for (const key of [label.pool, label.component, label.session]) {
      t.match(await bind({ [key]: server }), /GRN_LABEL_OWNERSHIP/, key)
    }
    t.match(await bind({ app: server }), /GRN_LABEL_OWNERSHIP.*app/)
    t.match(await bind({ 'agent-type': 'echo-agent' }), /GRN_POD_OWNERSHIP.*agent-type/)
  }
  t.notMatch(await older({ team: 'a' }), /admission webhook/)
  const bound = await mallory.readNamespacedPod({ namespace, name })
  t.equal(bound.spec?.nodeName, 'local')
  t.match(bound.metadata?.labels, { team: 'a' }, 'its labels do reach the pod')
})

void t.test("a pool's pod stays what Greenroom made, by every road", async (t) => {
  const own = await podsAs(greenroomUser)
  const made = await own.createNamespacedPod({ namespace, body: poolPod() })
  const name = made.metadata?.name ?? ''
  const container = made.spec?.containers[0]?.name ?? ''
  const securityContext = {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    runAsNonRoot: true,
  }
  const attempts: readonly (readonly [path: RegExp, value: object, subresource?: string])[] = [
    [
      /spec\.containers\[0\]\.image/,
      { spec: { containers: [{ name: container, image: 'evil.example/x:1' }] } },
    ],
    [
      /spec\.tolerations/,
      { spec: { tolerations: [...(made.spec?.tolerations ?? []), { key: 'a', operator: 'Exists' }] } },
    ],
    [/spec\.activeDeadlineSeconds/, { spec: { activeDeadlineSeconds: 1 } }],
    [
      /spec\.ephemeralContainers/,
      { spec: { ephemeralContainers: [{ name: 'd', image: 'sh:1', securityContext }] } },
      'ephemeralcontainers',
    ],
    [
      /spec\.containers\[0\]\.resources/,
      { spec: { containers: [{ name: container, resources: { limits: { cpu: '200m' } } }] } },
      'resize',
    ],
    [/metadata\.labels\[agent-type\]/, { metadata: { labels: { 'agent-type': 'stella-light' } } }],
    [/metadata\.labels\[agent-type\]/, { metadata: { labels: { 'agent-type': null } } }, 'status'],
    [/metadata\.finalizers/, { metadata: { finalizers: ['mallory/never'] } }],
    [/metadata\.finalizers/, { metadata: { finalizers: ['mallory/never'] } }, 'status'],
    [
      /metadata\.ownerReferences/,
      { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'gone', uid: 'gone' }] } },
    ],
  ]
  for (const [path, value, subresource] of attempts) {
    const refused = await patchAs('mallory', name, value, subresource)
    t.match(refused, /GRN_POD_OWNERSHIP/, `${path} by ${subresource ?? 'the pod'}`)
    t.match(refused, path)
  }
  const { spec, metadata } = await own.readNamespacedPod({ namespace, name })
  t.same(spec, made.spec)
  t.same(metadata?.labels, made.metadata?.labels)

  t.equal(await patchAs('mallory', name, { metadata: { labels: { team: 'blue' } } }), '')
  t.equal(await patchAs(kubelet, name, { status: { phase: 'Running' } }, 'status'), '')
  t.equal(await patchAs(greenroomUser, name, { metadata: { labels: { [label.state]: 'claimed' } } }), '')
  t.equal(await refusal(mallory.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 0 })), '')
})

/** The session server's pod as its ReplicaSet makes it, with one thing changed. */
function serverPod(env: V1EnvVar[], labels: Record<string, string> = { app: server }): V1Pod {
  return {
    metadata: { generateName: 's-', labels },
    spec: {
      serviceAccountName: 'session-management-sa',
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: server,
          image: 'greenroom:0.1.0',
          args: ['controller', 'api'],
          env: [
            ...env,
            ...(serverEnv as V1EnvVar[]).filter(({ name }) => !env.some((one) => one.name === name)),
          ],
          resources: { limits: { cpu: '1', memory: '1Gi' } },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  }
}
const secretEnv = (name: string, key: string) => ({
  name,
  valueFrom: { secretKeyRef: { name: server, key } },
})

void t.test('the session server has its name, and nobody else', async (t) => {
  const replicaSet = await podsAs(replicaSetUser)
  const ownEnv = [secretEnv('DATABASE_URL', 'DATABASE_URL')]
  for (const labels of [{ app: server }, { app: server, [label.component]: server }]) {
    const pod = await replicaSet.createNamespacedPod({ namespace, body: serverPod(ownEnv, labels) })
    t.equal(pod.metadata?.labels?.[label.component], server)
    const token = pod.spec?.volumes?.find(({ name }) => name.startsWith('kube-api-access-'))
    t.ok(token, 'with the token as Kubernetes mounts it')
  }
  const create = (body: V1Pod) => refusal(mallory.createNamespacedPod({ namespace, body }))
  const plain = (labels: Record<string, string>): V1Pod => ({
    metadata: { generateName: 'x-', labels },
    spec: { containers: [{ name: 'a', image: 'x:1', ports: [{ name: 'http', containerPort: 3000 }] }] },
  })
  for (const name of [server, 'greenroom-migrate', 'livekit', 'postgres']) {
    t.match(await create(plain({ [label.component]: name })), /GRN_LABEL_OWNERSHIP/, name)
  }
  for (const app of [server, 'greenroom-migrate', 'livekit', 'postgres']) {
    t.match(await create(plain({ app })), /GRN_LABEL_OWNERSHIP.*app/, app)
  }
  // No label at all, or the label of a type: nothing that a Service or a right goes by.
  const admitted = await mallory.createNamespacedPod({ namespace, body: plain({ app: 'turn' }) })
  t.notOk(admitted.metadata?.labels?.[label.component])
})

void t.test("a component's owners, finalizers and labels are for Kubernetes' own controllers", async (t) => {
  const replicaSet = await podsAs(replicaSetUser)
  const pod = await replicaSet.createNamespacedPod({ namespace, body: serverPod([]) })
  const name = pod.metadata?.name ?? ''
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'gone', uid: 'gone' }
  const attempts: readonly (readonly [path: RegExp, metadata: object])[] = [
    [/metadata\.ownerReferences/, { ownerReferences: [owner] }],
    [/metadata\.finalizers/, { finalizers: ['mallory/never'] }],
    [/metadata\.labels\[app\]/, { labels: { app: null } }],
    [/metadata\.labels\[agent-type\]/, { labels: { 'agent-type': 'echo-agent' } }],
  ]
  for (const [path, metadata] of attempts) {
    for (const subresource of ['', 'status']) {
      // The API server itself keeps owners as they are when a status is written.
      if (subresource === 'status' && 'ownerReferences' in metadata) continue
      t.match(await patchAs('mallory', name, { metadata }, subresource), path, `${path} by ${subresource}`)
    }
  }
  t.equal(await patchAs(replicaSetUser, name, { metadata: { ownerReferences: [owner] } }), '')
  t.equal(await patchAs('mallory', name, { metadata: { labels: { team: 'blue' } } }), '')
})

void t.test('a secret does not come out by the name of a public one', async (t) => {
  const create = (env: V1EnvVar[]) =>
    refusal(mallory.createNamespacedPod({ namespace, body: serverPod(env) }))
  t.match(
    await create([
      secretEnv('GREENROOM_API_KEYS', 'LIVEKIT_URL'),
      secretEnv('LIVEKIT_API_KEY', 'GREENROOM_HMAC_SECRET'),
    ]),
    /spec\.containers\[0\]\.env\[0\].*key GREENROOM_API_KEYS of Secret.*env\[1\].*key LIVEKIT_API_KEY of Secret/,
  )
  t.match(
    await create([
      secretEnv('GREENROOM_HMAC_SECRET', 'GREENROOM_HMAC_SECRET'),
      { name: 'GREENROOM_LOG_LEVEL', value: '$(GREENROOM_HMAC_SECRET)' },
    ]),
    /component-shape/,
  )
})

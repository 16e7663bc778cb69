import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CoreV1Api, RbacAuthorizationV1Api, type V1PolicyRule } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { parse, stringify } from 'yaml'
import { startControlPlane } from '../support/control-plane.ts'
import type { KubectlOutcome } from '../support/kubectl.ts'
import { root } from '../support/repository.ts'
import { type RoleProcess, startRole } from '../support/role-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { call } from '../webhook/webhook-client.ts'

/** The guards of what the policy rests on: the webhook's own process, its rights, and the entries of the manifests. */

// Some twenty starts of kubectl, and the webhook's process four times.
t.setTimeout(180_000)
const namespace = 'ai-agents'
const webhookUser = 'system:serviceaccount:greenroom-system:agent-webhook'
const serverUser = 'system:serviceaccount:ai-agents:session-management-sa'
const base = join(root, 'manifests/base')

const folder = await temporaryFolder('admission-guard')
const plane = await startControlPlane({ folder: folder.path, webhookManifests: [join(base, 'webhook')] })
let webhook: RoleProcess | undefined
t.teardown(async () => {
  await webhook?.stop()
  await plane.stop()
  await folder.remove()
})
await plane.apply(
  ['namespace.yaml', 'resource-quota.yaml', 'session-server/rbac.yaml', 'webhook/service-account.yaml'].map(
    (path) => join(base, path),
  ),
)
await plane.apply([join(base, 'webhook/rbac.yaml')])
const core = plane.admin().makeApiClient(CoreV1Api)
const ca = await readFile(plane.webhook.caPath, 'utf8')
const policyText = (
  parse(await readFile(join(base, 'agent-policy.yaml'), 'utf8')) as { data: Record<string, string> }
).data['policy.yaml'] as string

async function startWebhook(): Promise<void> {
  const { host, port, certPath, keyPath } = plane.webhook
  webhook = await startRole({
    name: 'webhook',
    role: 'webhook',
    root,
    logPath: join(folder.path, 'webhook.log'),
    env: {
      KUBECONFIG: await plane.kubeconfigFor(webhookUser),
      GREENROOM_HOST: host,
      GREENROOM_WEBHOOK_PORT: String(port),
      GREENROOM_WEBHOOK_CERT_FILE: certPath,
      GREENROOM_WEBHOOK_KEY_FILE: keyPath,
    },
  })
  await until(
    'a ready webhook',
    async () => (await get('/readyz').catch(() => undefined))?.status === 200,
    30_000,
  )
}

async function stopWebhook(): Promise<void> {
  await webhook?.stop()
  webhook = undefined
}

const get = (path: string) => call({ host: plane.webhook.host, port: plane.webhook.port, ca, path })

/** Reviews answered at an endpoint so far. */
async function reviews(endpoint: string): Promise<number> {
  const lines = (await get('/metrics')).text
    .split('\n')
    .filter((line) => line.startsWith('greenroom_admission_reviews'))
  return lines
    .filter((line) => line.includes(`endpoint="${endpoint}"`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

async function kubectlAs(user: string, args: readonly string[], input?: string): Promise<KubectlOutcome> {
  const kubeconfig = await plane.kubeconfigFor(user)
  return plane.kubectl(args, { kubeconfig, ...(input !== undefined && { input }) })
}

function applied(object: object): Promise<KubectlOutcome> {
  return plane.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], {
    input: stringify(object),
  })
}
const configMap = (name: string, data: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data,
})
const policy = (text: string) => applied(configMap('agent-policy', { 'policy.yaml': text }))
const versioned = (version: string) => policyText.replace('version: "1"', `version: "${version}"`)
const pools = (min: number, max: number, agentType = 'echo-agent') =>
  applied(
    configMap('agent-pools', {
      'pools.yaml': stringify({
        pools: { [agentType]: { template: { image: 'greenroom:0.1.0' }, min, max } },
      }),
    }),
  )
const kept = async (name: string) =>
  (await core.readNamespacedConfigMap({ namespace, name }).catch(() => undefined))?.data ?? {}
const untilKept = (version: string) =>
  until(`policy ${version} is kept`, async () =>
    (await kept('agent-policy-accepted'))['policy.yaml']?.includes(`version: "${version}"`),
  )

/** The version of the policy that shapes a pod now. */
async function versionInForce(): Promise<string | undefined> {
  const pod = await core.createNamespacedPod({
    namespace,
    body: { metadata: { generateName: 'probe-' }, spec: { containers: [{ name: 'a', image: 'x:1' }] } },
    dryRun: 'All',
  })
  return pod.metadata?.annotations?.['greenroom.dev/policy-version']
}

async function grant(user: string, rules: V1PolicyRule[]): Promise<void> {
  const rbac = plane.admin().makeApiClient(RbacAuthorizationV1Api)
  const name = `test-${user.replaceAll(':', '-')}`
  await rbac.createClusterRole({ body: { metadata: { name }, rules } })
  await rbac.createClusterRoleBinding({
    body: {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: user }],
    },
  })
}

function passes(t: Test, outcome: KubectlOutcome, warning?: RegExp): void {
  t.equal(outcome.code, 0, outcome.stderr)
  if (warning) t.match(outcome.stderr, warning)
  // PodSecurity judges templates as they are, before any webhook has hardened their pods.
  else t.notMatch(outcome.stderr, /Warning: (?!would violate PodSecurity)/)
}

function refused(t: Test, outcome: KubectlOutcome, why: RegExp): void {
  t.not(outcome.code, 0)
  t.match(outcome.stderr, why)
}

void t.test('installed in the order: pools, webhook, policy', async (t) => {
  passes(t, await pools(2, 10))
  await startWebhook()
  t.equal(await versionInForce(), 'built-in')
  passes(t, await pools(2, 9), /Warning: .*agent-policy in force \(version built-in\) has no row echo-agent/)
  passes(t, await policy(policyText))
  await until('in force', async () => (await versionInForce()) === '1')
  await untilKept('1')
})

void t.test('installed in the order: policy, webhook, pools', async (t) => {
  await stopWebhook()
  for (const name of ['agent-pools', 'agent-policy', 'agent-policy-accepted']) {
    await core.deleteNamespacedConfigMap({ namespace, name })
  }
  passes(t, await policy(versioned('2')))
  await startWebhook()
  t.equal(await versionInForce(), '2')
  await untilKept('2')
  passes(t, await pools(2, 10))
})

void t.test(
  'an edit is refused with path and allowed values, and warned of where it may be a slip',
  async (t) => {
    refused(
      t,
      await pools(5, 2),
      /denied the request: GRN_INVALID_POOLS: pools\.yaml \/pools\/echo-agent\/min: 5 is more/,
    )
    refused(
      t,
      await policy(`${versioned('3')}\n    modee: x\n`.replace('    modee', 'modee')),
      /GRN_INVALID_POLICY: policy\.yaml \/modee: is not a known key; known: version, defaults/,
    )
    refused(t, await applied(configMap('agent-policy', { 'policy.yml': policyText })), /data\[policy\.yaml\]/)
    passes(t, await pools(11, 20), /min: 2 → 11 is a jump of more than 5x/)
    // 10 requests.cpu, 20 limits.cpu, 40Gi: an echo-agent takes 250m and 512Mi of the limits; the tightest is pods.
    await until('the pools are seen', async () =>
      (await pools(11, 60)).stderr.includes('allows pods 50: at most 50 fit'),
    )
    passes(t, await pools(3, 12))
    t.equal(await versionInForce(), '2', 'what was refused changed nothing')
  },
)

void t.test("what is kept is Greenroom's, and comes back", async (t) => {
  const forge = ['patch', 'configmap', 'agent-policy-accepted', '-n', namespace, '--type=merge']
  const value = JSON.stringify({ data: { 'policy.yaml': policyText } })
  refused(t, await plane.kubectl([...forge, `-p=${value}`]), /GRN_DOCUMENT_OWNERSHIP/)
  const labelled = JSON.stringify({ metadata: { labels: { team: 'a' } } })
  passes(t, await plane.kubectl([...forge, `-p=${labelled}`]))
  passes(
    t,
    await plane.kubectl(['delete', 'configmap', 'agent-policy-accepted', '-n', namespace]),
    /Warning: .*writes it again/,
  )
  await untilKept('2')
  const server = await kubectlAs(serverUser, [...forge, `-p=${value}`])
  refused(t, server, /cannot patch resource "configmaps"/)
})

void t.test('deleting a document, also with all others, is a warning and changes nothing', async (t) => {
  const all = ['delete', 'configmaps', '--all', '-n', namespace]
  passes(
    t,
    await plane.kubectl(all),
    /ConfigMap agent-policy goes, but what was last accepted stays in force/,
  )
  await untilKept('2')
  t.equal(await versionInForce(), '2')
  passes(t, await policy(versioned('2')))
})

void t.test('no other ConfigMap is ever asked about, nor the same names elsewhere', async (t) => {
  // The webhook's own writes are asked about; the last one must be through.
  await until('what is kept is of the version that is there', async () => {
    const [document, copy] = await Promise.all(
      ['agent-policy', 'agent-policy-accepted'].map((name) =>
        core.readNamespacedConfigMap({ namespace, name }),
      ),
    )
    const version = copy?.metadata?.annotations?.['greenroom.dev/source-resource-version']
    return version === document?.metadata?.resourceVersion
  })
  const before = await reviews('validate-config')
  const other = configMap('other', { 'policy.yaml': 'x' })
  passes(t, await applied(other))
  passes(
    t,
    await applied({
      ...configMap('agent-policy', {}),
      metadata: { name: 'agent-policy', namespace: 'default' },
    }),
  )
  t.equal(await reviews('validate-config'), before)
})

void t.test(
  'written while the webhook was down: what was accepted stays in force over the restart',
  async (t) => {
    await stopWebhook()
    passes(t, await policy('version: "4"'))
    await startWebhook()
    t.equal(await versionInForce(), '2')
    await core.deleteNamespacedConfigMap({ namespace, name: 'agent-policy-accepted' })
    await untilKept('2')
    passes(t, await policy(versioned('5')))
    await untilKept('5')
    await until('in force', async () => (await versionInForce()) === '5')
    // And what is kept goes while nobody looks.
    await stopWebhook()
    await core.deleteNamespacedConfigMap({ namespace, name: 'agent-policy-accepted' })
    await startWebhook()
    t.equal(await versionInForce(), '5')
    await untilKept('5')
  },
)

const podSpec = { containers: [{ name: 'agent', image: 'x:1' }] }
function workload(apiVersion: string, kind: string, more: object = {}, pod: object = podSpec) {
  const labels = { w: kind.toLowerCase() }
  const template = { metadata: { labels }, spec: pod }
  return {
    apiVersion,
    kind,
    metadata: { name: `w-${kind.toLowerCase()}`, namespace },
    spec: { selector: { matchLabels: labels }, template, ...more },
  }
}
const jobPod = (pod: object) => ({ ...pod, restartPolicy: 'Never' })
const workloads = (pod: object) => [
  workload('apps/v1', 'Deployment', {}, pod),
  workload('apps/v1', 'ReplicaSet', {}, pod),
  workload('apps/v1', 'StatefulSet', { serviceName: 'x' }, pod),
  workload('apps/v1', 'DaemonSet', {}, pod),
  {
    ...workload('v1', 'ReplicationController'),
    spec: { template: { metadata: { labels: { w: 'x' } }, spec: pod } },
  },
  { ...workload('batch/v1', 'Job'), spec: { template: { spec: jobPod(pod) } } },
  {
    ...workload('batch/v1', 'CronJob'),
    spec: { schedule: '0 0 * * *', jobTemplate: { spec: { template: { spec: jobPod(pod) } } } },
  },
  {
    ...workload('v1', 'PodTemplate'),
    spec: undefined,
    template: { metadata: { labels: { w: 'x' } }, spec: pod },
  },
]

void t.test('workloads of every kind get warnings, and are never refused', async (t) => {
  for (const object of workloads({ ...podSpec, hostNetwork: true })) {
    const place = object.kind === 'PodTemplate' ? 'template' : 'spec\\..*template'
    passes(
      t,
      await applied(object),
      new RegExp(`Warning: its pods would be denied: GRN_POLICY_VIOLATION: ${place}\\.spec\\.hostNetwork`),
    )
  }
  const fine = workload('apps/v1', 'Deployment')
  passes(t, await applied(fine), /Warning: its pods will be changed at .*securityContext/)
  const scaled = await plane.kubectl(['annotate', 'deployment', 'w-deployment', '-n', namespace, 'a=b'])
  t.notMatch(scaled.stderr, /its pods/)
  const owned = workload('apps/v1', 'ReplicaSet')
  const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd', uid: 'u-1', controller: true }
  const before = await reviews('warn-templates')
  const made = await applied({
    ...owned,
    metadata: { ...owned.metadata, name: 'owned', ownerReferences: [owner] },
  })
  t.notMatch(made.stderr, /its pods/)
  t.equal(await reviews('warn-templates'), before, "a controller's own work is not asked about")
})

const remove = ['label', 'namespace', namespace, 'greenroom.dev/agents-']
const rawNamespace = (subresource: string, user: string) =>
  plane.kubectl(['get', 'namespace', namespace, '-o', 'json']).then(async ({ stdout }) => {
    const object = JSON.parse(stdout) as { metadata: { labels: Record<string, string> } }
    delete object.metadata.labels['greenroom.dev/agents']
    const path = join(folder.path, 'namespace.json')
    await writeFile(path, JSON.stringify(object))
    return kubectlAs(user, ['replace', '--raw', `/api/v1/namespaces/${namespace}${subresource}`, '-f', path])
  })

void t.test('the label of a namespace goes only by its owners, whatever the way', async (t) => {
  const rules = [
    {
      apiGroups: [''],
      resources: ['namespaces', 'namespaces/status', 'namespaces/finalize'],
      verbs: ['get', 'list', 'update', 'patch'],
    },
  ]
  for (const user of ['alice', 'sec-team']) await grant(user, rules)
  refused(t, await kubectlAs('alice', remove), /GRN_NAMESPACE_OWNERSHIP.*removed.*group system:masters/)
  for (const subresource of ['', '/status', '/finalize']) {
    refused(t, await rawNamespace(subresource, 'alice'), /GRN_NAMESPACE_OWNERSHIP/)
  }
  refused(
    t,
    await kubectlAs('alice', ['label', 'namespace', namespace, '--overwrite', 'greenroom.dev/agents=off']),
    /changed to "off"/,
  )
  passes(t, await kubectlAs('alice', ['label', 'namespace', namespace, 'team=blue']))
  passes(t, await kubectlAs('alice', ['label', 'namespace', 'default', 'greenroom.dev/agents=enabled']))
  refused(
    t,
    await kubectlAs('alice', ['label', 'namespace', 'default', 'greenroom.dev/agents-']),
    /GRN_NAMESPACE/,
  )
  passes(t, await plane.kubectl(['label', 'namespace', 'default', 'greenroom.dev/agents-']))
  refused(t, await kubectlAs('sec-team', remove), /GRN_NAMESPACE_OWNERSHIP/)
  passes(t, await policy(`${versioned('6')}\nnamespaceOwners: { users: [sec-team] }\n`))
  await until('in force', async () => (await versionInForce()) === '6')
  passes(t, await kubectlAs('sec-team', remove))
  passes(t, await kubectlAs('alice', ['label', 'namespace', namespace, 'greenroom.dev/agents=enabled']))
})

void t.test('a mirror pod of a node passes; the annotation buys nobody else anything', async (t) => {
  await plane.createNamespace('edge', { 'greenroom.dev/agents': 'enabled' })
  const pods = [{ apiGroups: [''], resources: ['pods'], verbs: ['create', 'get', 'patch'] }]
  for (const user of ['system:node:local', 'bob']) await grant(user, pods)
  const pod = (name: string) =>
    stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'edge', annotations: { 'kubernetes.io/config.mirror': 'hash' } },
      spec: {
        nodeName: 'local',
        hostNetwork: true,
        enableServiceLinks: false,
        containers: podSpec.containers,
      },
    })
  const node = await plane.kubeconfigFor('system:node:local', ['system:nodes'])
  const mirror = await plane.kubectl(['create', '-f', '-'], { kubeconfig: node, input: pod('mirror') })
  passes(t, mirror)
  const found = await core.readNamespacedPod({ namespace: 'edge', name: 'mirror' })
  t.equal(found.spec?.hostNetwork, true)
  t.notOk(found.metadata?.annotations?.['greenroom.dev/policy-version'], 'untouched')
  refused(
    t,
    await kubectlAs('bob', ['create', '-f', '-'], pod('forged')),
    /GRN_POLICY_VIOLATION.*hostNetwork/,
  )
})

void t.test('while the webhook is down, nothing that it does not judge is held up', async (t) => {
  await stopWebhook()
  // Even labelled by mistake, where the webhook lives is never judged: it could not start again.
  passes(t, await plane.kubectl(['label', 'namespace', 'greenroom-system', 'greenroom.dev/agents=enabled']))
  const securityContext = {
    runAsNonRoot: true,
    runAsUser: 1000,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }
  for (const at of ['greenroom-system', 'kube-system', 'default']) {
    const body = {
      metadata: { generateName: 'own-' },
      spec: { containers: [{ name: 'a', image: 'x:1', securityContext }] },
    }
    await plane.createNamespace(at)
    t.ok(await core.createNamespacedPod({ namespace: at, body }), at)
  }
  refused(
    t,
    await plane.kubectl(['run', 'x', '--image=x:1', '-n', namespace]),
    /failed calling webhook "harden/,
  )
  refused(t, await plane.kubectl(remove), /failed calling webhook "namespaces\.agents/)
  passes(t, await plane.kubectl(['label', 'namespace', namespace, 'team-']))
  passes(t, await applied(workload('apps/v1', 'Deployment', { replicas: 2 })))
  passes(t, await policy(versioned('7')))
})

import {
  AdmissionregistrationV1Api,
  CoreV1Api,
  RbacAuthorizationV1Api,
  type V1MutatingWebhook,
} from '@kubernetes/client-node'
import t from 'tap'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
import { until } from '../../../bed/processes/until.ts'
import { installation, provideAssignKeys, webhookManifests } from '../../../bed/replicas/installation.ts'
import { servingFiles, startWebhookProcess } from '../../../bed/replicas/webhook-process.ts'
import { startControlPlane } from '../../../bed/servers/control-plane.ts'
import { startLiveKit } from '../../../bed/servers/livekit-server.ts'
import { doctorChecks } from '../../../src/cli/doctor-checks/doctor-checks.ts'
import { accounts } from '../../../src/cli/doctor-checks/rights-of-accounts.ts'
import { installed } from '../../../src/cli/doctor-checks/rights-to-install.ts'
import type { CheckReport, Phase } from '../../../src/cli/doctor-checks/run-checks.ts'
import { all, base, objects } from '../../support/built-manifests.ts'
import { look, statesOf } from '../../support/doctor-look.ts'

/** Each check of Kubernetes and LiveKit, on real ones: an installation is made step by step, and then broken. */

const folder = await temporaryFolder('doctor-cluster')
const [plane, livekit] = await Promise.all([
  startControlPlane({ folder: folder.path, webhookManifests, webhooksLater: true }),
  startLiveKit({ folder: folder.path }),
])
t.teardown(async () => {
  await Promise.all([plane.stop(), livekit.stop()])
  await folder.remove()
})
t.setTimeout(120_000)
const core = plane.admin().makeApiClient(CoreV1Api)
const namespace = 'ai-agents'
const ofKubernetes = doctorChecks.filter(({ part }) => part === 'kubernetes')
const ofLiveKit = doctorChecks.filter(({ part }) => part === 'livekit')

interface Options {
  readonly phase?: Phase
  readonly shiftMs?: number
  readonly kubeconfig?: string
  readonly inNamespace?: string
}

function lookAtCluster({ phase, shiftMs, kubeconfig, inNamespace = namespace }: Options = {}) {
  const env = { KUBECONFIG: kubeconfig ?? plane.kubeconfigPath, GREENROOM_NAMESPACE: inNamespace }
  return look(ofKubernetes, { env, ...(phase && { phase }), ...(shiftMs !== undefined && { shiftMs }) })
}

async function find(name: string, options?: Options): Promise<CheckReport | undefined> {
  return (await lookAtCluster(options))[name]
}

const setDocument = async (name: string, key: string, text: string) => {
  await core.deleteNamespacedConfigMap({ name, namespace }).catch(() => undefined)
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name }, data: { [key]: text } } })
}

const pools = (max: number, type = 'echo-agent') =>
  `pools:\n  ${type}:\n    template: { image: "greenroom:0.1.0" }\n    min: 1\n    max: ${max}\n`

void t.test(
  'before: the administrator may install, and somebody without rights is told what is missing',
  async (t) => {
    t.same(statesOf(await lookAtCluster({ phase: 'before' })), {
      // The bed's API server is built here and calls itself v0.0.0.
      'kubernetes-version': 'skipped',
      'kubernetes-clock': 'ok',
      'rights-to-install': 'ok',
    })
    const kubeconfig = await plane.kubeconfigFor('somebody')
    t.match(await find('rights-to-install', { phase: 'before', kubeconfig }), {
      state: 'failed',
      detail: /^You may not create namespaces, patch namespaces, create priorityclasses, .*, \d+ more\.$/,
      fix: /^kubectl create clusterrolebinding/,
    })
  },
)

void t.test('an empty cluster: everything is missing after, and nothing is blamed otherwise', async (t) => {
  const missing = [
    'rights-of-accounts',
    'namespaces-labelled',
    'policy-document',
    'pools-document',
    'webhook-certificate',
    'webhook-called',
  ]
  const after = await lookAtCluster()
  const any = await lookAtCluster({ phase: 'any' })
  for (const name of missing) {
    t.match(after[name], { state: 'failed', fix: /^kubectl/ }, name)
    t.match(any[name], { state: 'skipped' }, name)
  }
})

void t.test('the installation without its webhooks: rights, labels, documents', async (t) => {
  await plane.apply(installation)
  await provideAssignKeys(plane)
  await setDocument('agent-pools', 'pools.yaml', pools(3))
  t.match(statesOf(await lookAtCluster()), {
    'rights-of-accounts': 'ok',
    'namespaces-labelled': 'ok',
    'policy-document': 'ok',
    'pools-document': 'ok',
    'quota-fits-pools': 'ok',
    'webhook-called': 'failed',
    'images-pulled': 'skipped',
  })

  await setDocument('agent-pools', 'pools.yaml', 'pools: { echo-agent: { min: -1 } }')
  t.match(await find('pools-document'), {
    state: 'failed',
    detail: /^GRN_INVALID_POOLS: \/pools\/echo-agent/,
  })
  await setDocument('agent-pools', 'pools.yaml', pools(3, 'stranger'))
  t.match(await find('pools-document'), { state: 'failed', detail: /no row for stranger/ })
  await setDocument('agent-pools', 'pools.yaml', pools(3))

  const kept = await core.readNamespacedConfigMap({ name: 'agent-policy', namespace })
  await setDocument('agent-policy', 'policy.yaml', 'version: {}')
  t.match(await find('policy-document'), { state: 'failed', detail: /^GRN_INVALID_POLICY: / })
  await setDocument('agent-policy', 'policy.yaml', kept.data?.['policy.yaml'] ?? '')

  await plane.kubectl(['label', 'namespace', namespace, 'greenroom.dev/agents-'])
  t.match(await find('namespaces-labelled'), {
    state: 'failed',
    fix: `kubectl label namespace ${namespace} greenroom.dev/agents=enabled`,
  })
  await plane.kubectl(['label', 'namespace', namespace, 'greenroom.dev/agents=enabled'])
  await plane.kubectl(['label', 'namespace', 'greenroom-system', 'greenroom.dev/agents=enabled'])
  t.match(await find('namespaces-labelled'), { state: 'failed', detail: /greenroom-system has the label/ })
  await plane.kubectl(['label', 'namespace', 'greenroom-system', 'greenroom.dev/agents-'])
})

void t.test('a quota that is too small for min, and one that is too small for max', async (t) => {
  const quota = (cpu: string) => ({ metadata: { name: 'few' }, spec: { hard: { 'limits.cpu': cpu } } })
  await core.createNamespacedResourceQuota({ namespace, body: quota('50m') })
  t.match(await find('quota-fits-pools'), {
    state: 'failed',
    detail: /^ResourceQuota few allows limits\.cpu 50m; with all pools at min 0\.\d+ are needed\.$/,
  })
  await core.replaceNamespacedResourceQuota({ name: 'few', namespace, body: quota('1') })
  await setDocument('agent-pools', 'pools.yaml', pools(50))
  t.match(await find('quota-fits-pools'), { state: 'warning', detail: /at max/ })
  await core.deleteNamespacedResourceQuota({ name: 'few', namespace })
  await setDocument('agent-pools', 'pools.yaml', pools(3))
})

void t.test('an account without a right is named with it', async (t) => {
  const rbac = plane.admin().makeApiClient(RbacAuthorizationV1Api)
  const name = 'session-management'
  const kept = (await rbac.readNamespacedRole({ name, namespace })).rules ?? []
  const setRules = async (rules: typeof kept) => {
    const body = Object.assign(await rbac.readNamespacedRole({ name, namespace }), { rules })
    await rbac.replaceNamespacedRole({ name, namespace, body })
  }
  await setRules(kept.filter(({ resources }) => !resources?.includes('pods/resize')))
  t.match(await find('rights-of-accounts'), {
    state: 'failed',
    detail: 'session-management-sa may not patch pods/resize in ai-agents.',
  })
  await setRules(kept.filter(({ apiGroups }) => !apiGroups?.includes('authorization.k8s.io')))
  t.match(await find('rights-of-accounts'), {
    state: 'warning',
    detail:
      /^session-management-sa may not create localsubjectaccessreviews in ai-agents: pools cannot be changed/,
  })
  await setRules(kept)
  t.match(await find('rights-of-accounts', { inNamespace: 'elsewhere' }), {
    state: 'failed',
    detail: 'There is no ServiceAccount elsewhere/session-management-sa.',
  })
})

void t.test('an image that is not pulled', async (t) => {
  const inNamespace = 'elsewhere'
  await plane.createNamespace(inNamespace)
  const containers = [{ name: 'agent', image: 'registry.invalid/agent:1' }]
  await core.createNamespacedPod({
    namespace: inNamespace,
    body: { metadata: { name: 'p' }, spec: { containers } },
  })
  const status = (state: object) => [
    {
      op: 'add',
      path: '/status/containerStatuses',
      value: [
        { name: 'agent', image: containers[0]?.image, imageID: '', ready: false, restartCount: 0, state },
      ],
    },
  ]
  const patch = (state: object) =>
    core.patchNamespacedPodStatus({ name: 'p', namespace: inNamespace, body: status(state) })
  await patch({ waiting: { reason: 'ImagePullBackOff' } })
  t.match(await find('images-pulled', { inNamespace }), {
    state: 'failed',
    detail: '1 images are not pulled: registry.invalid/agent:1 (ImagePullBackOff).',
  })
  await patch({ running: {} })
  t.match(await find('images-pulled', { inNamespace }), { state: 'ok' })
})

void t.test(
  'the webhooks: away, called, with another bundle, with a certificate that has expired',
  async (t) => {
    await plane.installWebhooks()
    t.match(await find('webhook-called'), {
      state: 'failed',
      detail: /cannot call it: .*failed calling webhook/,
    })
    t.match(await find('webhook-certificate'), { state: 'skipped', detail: /was not reached/ })

    const { port } = plane.webhook
    const webhook = await startWebhookProcess({
      plane,
      name: 'webhook',
      folder: folder.path,
      port,
      env: servingFiles(plane),
    })
    t.teardown(() => webhook.stop())
    await until('the webhook is called', async () => (await find('webhook-called'))?.state === 'ok')
    t.match(await find('webhook-called'), { detail: /^A pod was tried/ })
    t.match(await find('webhook-certificate'), { state: 'ok', detail: /valid for \d+ days/ })
    await plane.createNamespace('open')
    await plane.createNamespace('strict', { 'pod-security.kubernetes.io/enforce': 'restricted' })
    for (const [inNamespace, detail] of [
      ['open', 'A pod was taken as it was: the webhook was not called.'],
      ['strict', /PodSecurity refused a pod of strict that the webhook should have hardened/],
      ['nowhere', 'There is no namespace nowhere.'],
    ] as const)
      t.match(await find('webhook-called', { inNamespace }), { state: 'failed', detail }, inNamespace)
    const century = 100 * 366 * 86_400_000
    t.match(await find('webhook-certificate', { shiftMs: century }), {
      state: 'failed',
      detail: /expired at/,
    })
    t.match(await find('kubernetes-clock', { shiftMs: century }), {
      state: 'failed',
      detail: /behind this machine/,
    })

    const admission = plane.admin().makeApiClient(AdmissionregistrationV1Api)
    const name = 'agent-webhook'
    const configuration = await admission.readMutatingWebhookConfiguration({ name })
    const distrust = (found: { webhooks?: V1MutatingWebhook[] }) => {
      const caBundle = plane.admin().getCurrentCluster()?.caData ?? ''
      for (const { clientConfig } of found.webhooks ?? []) Object.assign(clientConfig, { caBundle })
    }
    distrust(configuration)
    await admission.replaceMutatingWebhookConfiguration({ name, body: configuration })
    t.match(await find('webhook-certificate'), { state: 'failed', detail: /trust different authorities/ })
    const judging = await admission.readValidatingWebhookConfiguration({ name })
    distrust(judging)
    await admission.replaceValidatingWebhookConfiguration({ name, body: judging })
    t.match(await find('webhook-certificate'), { state: 'failed', detail: /not signed by an authority/ })
    t.match(await find('webhook-called'), {
      state: 'failed',
      detail: /certificate signed by unknown authority/,
    })
  },
)

void t.test('somebody without rights is told so, and nothing is called ok that was not seen', async (t) => {
  const found = await lookAtCluster({ kubeconfig: await plane.kubeconfigFor('somebody') })
  t.match(found['kubernetes-clock'], { state: 'ok' })
  const server = await plane.kubeconfigFor('system:serviceaccount:ai-agents:session-management-sa')
  t.match(
    await find('webhook-called', { kubeconfig: server }),
    { state: 'failed', detail: /cannot call it/ },
    'the session server may not read the configuration, but it may try a pod',
  )
  for (const name of ['namespaces-labelled', 'policy-document', 'images-pulled', 'rights-of-accounts'])
    t.match(found[name], { state: 'skipped', detail: /^You may not/ }, name)
  const nowhere = await look(ofKubernetes, { env: { KUBECONFIG: `${folder.path}/none` } })
  t.match(nowhere['kubernetes-version'], {
    state: 'failed',
    detail: /not reached: GRN_INVALID_CONFIG: .*cannot be read/,
  })
  t.match(nowhere['webhook-called'], { state: 'skipped', detail: 'Kubernetes was not reached.' })
})

void t.test('LiveKit: well, with a wrong secret, with another clock, away', async (t) => {
  const { url, apiKey, apiSecret } = livekit
  const env = { LIVEKIT_URL: url, LIVEKIT_API_KEY: apiKey, LIVEKIT_API_SECRET: apiSecret }
  t.same(statesOf(await look(ofLiveKit, { env })), { 'livekit-keys': 'ok', 'livekit-clock': 'ok' })
  const wrong = await look(ofLiveKit, { env: { ...env, LIVEKIT_API_SECRET: `${apiSecret}x` } })
  t.match(wrong['livekit-keys'], { state: 'failed', detail: /refuses the key/ })
  t.notMatch(JSON.stringify(wrong), apiSecret)
  const late = await look(ofLiveKit, { env, shiftMs: 60_000 })
  t.match(late['livekit-clock'], { state: 'failed' })
  const away = await look(ofLiveKit, { env: { ...env, LIVEKIT_URL: 'ws://127.0.0.1:1' } })
  t.match(away, {
    'livekit-keys': { state: 'failed', detail: /did not answer/ },
    'livekit-clock': { state: 'skipped', detail: 'LiveKit told no time.' },
  })
})

void t.test('the rights that are asked for are those of the manifests', async (t) => {
  interface Rule {
    readonly apiGroups: string[]
    readonly resources: string[]
    readonly verbs: string[]
    readonly resourceNames?: string[]
  }
  interface Role {
    readonly rules: Rule[]
  }
  interface Binding {
    readonly roleRef: { readonly name: string }
    readonly subjects: readonly { readonly name: string; readonly namespace: string }[]
  }
  const rightsOf = (account: string): string[] => {
    const names = ['RoleBinding', 'ClusterRoleBinding'].flatMap((kind) =>
      all<Binding>(kind).filter(({ subjects }) => subjects.some(({ name }) => name === account)),
    )
    return names.flatMap(({ kind, roleRef, metadata }) =>
      (kind === 'RoleBinding' ? all<Role>('Role') : all<Role>('ClusterRole'))
        .filter(
          (role) => role.metadata.name === roleRef.name && role.metadata.namespace === metadata.namespace,
        )
        .flatMap(({ rules, metadata: { namespace: inNamespace } }) =>
          rules.flatMap(({ apiGroups, resources, verbs, resourceNames }) =>
            apiGroups.flatMap((group) =>
              resources.flatMap((resource) =>
                verbs.flatMap((verb) =>
                  (resourceNames ?? ['']).map((one) =>
                    [verb, group, resource, inNamespace ?? '', one].join(' '),
                  ),
                ),
              ),
            ),
          ),
        ),
    )
  }
  for (const { name, rights, steering = [] } of accounts) {
    const asked = [...rights, ...steering].map(
      ({ verb, group, resource, namespace: inNamespace = '', name: one = '' }) =>
        [verb, group, resource, inNamespace, one].join(' '),
    )
    t.same(asked.toSorted(), rightsOf(name).toSorted(), name)
  }
  const created = new Set(
    objects.map(
      ({ kind, metadata }) => `${metadata.namespace ?? ''} ${kind.toLowerCase().replace(/y$/, 'ie')}s`,
    ),
  )
  const expected = installed.flatMap(({ namespace: inNamespace = '', kinds }) =>
    kinds.map(({ resource }) => `${inNamespace} ${resource}`),
  )
  t.same([...created].map((one) => one.replace(/classs$/, 'classes')).toSorted(), expected.toSorted(), base)
})

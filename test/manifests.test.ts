import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type {
  V1Deployment,
  V1Job,
  V1LimitRange,
  V1PodTemplateSpec,
  V1ResourceQuota,
  V1Role,
  V1Service,
} from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { parse, stringify } from 'yaml'
import { temporaryFolder } from '../bed/processes/temporary-folder.ts'
import { configMapKey, configMapName, webhookCertificatesName } from '../src/domain/names.ts'
import { checkPools } from '../src/domain/pool.ts'
import { all, base, build, type ConfigMap, manifests, objects, one } from './support/built-manifests.ts'

function podTemplates(): { owner: string; namespace: string | undefined; template: V1PodTemplateSpec }[] {
  return [...all<V1Deployment>('Deployment'), ...all<V1Job>('Job')].map(({ kind, metadata, spec }) => ({
    owner: `${kind} ${metadata.name}`,
    namespace: metadata.namespace,
    template: spec?.template as V1PodTemplateSpec,
  }))
}

void t.test('every object says where it belongs, and no two are the same', async (t) => {
  const clusterWide = /^(Namespace|PriorityClass|Cluster.*|.*WebhookConfiguration)$/
  const ids = objects.map(({ kind, metadata }) => `${kind}/${metadata.namespace}/${metadata.name}`)
  t.equal(new Set(ids).size, ids.length)
  for (const { kind, metadata } of objects) {
    if (!clusterWide.test(kind))
      t.match(metadata.namespace, /^(ai-agents|greenroom-system)$/, `${kind} ${metadata.name}`)
  }
})

void t.test('the pools of base and dev are in order', async (t) => {
  const dev = (await build(join(manifests, 'overlays/dev'))) as ConfigMap[]
  const example = parse(readFileSync(join(manifests, 'examples/agent-pools.yaml'), 'utf8')) as ConfigMap
  const sizes: Record<string, unknown[][]> = {
    base: [['echo-agent', 2, 10]],
    dev: [['echo-agent', 2, 6]],
    example: [
      ['stella-agent', 2, 16],
      ['stella-light', 1, 8],
      ['echo-agent', 2, 10],
    ],
  }
  for (const [name, configMap] of [
    ['base', one<ConfigMap>('ConfigMap', configMapName.pools)],
    ['dev', dev.find(({ metadata }) => metadata.name === configMapName.pools)],
    ['example', example],
  ] as const) {
    const checked = checkPools(configMap?.data[configMapKey.pools] ?? '')
    t.strictSame(checked.ok ? [] : checked.problems, [], name)
    if (!checked.ok) continue
    const pools = Object.entries(checked.value.pools)
    t.strictSame(
      pools.map(([type, { min, max }]) => [type, min, max]),
      sizes[name],
    )
    // A fresh installation pulls nothing that only somebody else could have made.
    if (name !== 'example')
      for (const [, { template }] of pools)
        t.match(template.image, /^greenroom:/, 'the image that README builds')
  }
})

void t.test('every image has a version', async (t) => {
  const pools = checkPools(one<ConfigMap>('ConfigMap', configMapName.pools).data[configMapKey.pools] ?? '')
  const images = [
    ...podTemplates().flatMap(({ template }) => template.spec?.containers.map(({ image }) => image) ?? []),
    ...Object.values(pools.ok ? pools.value.pools : {}).map(({ template }) => template.image),
  ]
  t.ok(images.length >= 4)
  for (const image of images) t.match(image, /(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$/)
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  for (const image of images.filter((image) => image?.startsWith('greenroom:'))) {
    t.equal(image, `greenroom:${version}`, 'our own image is this version')
  }
})

void t.test(
  'no wildcard in any rule, and no right to read Secrets but the one the webhook keeps',
  async (t) => {
    const roles = [...all<V1Role>('Role'), ...all<V1Role>('ClusterRole')]
    t.ok(roles.length > 0)
    for (const { metadata, rules = [] } of roles) {
      for (const { apiGroups = [], resources = [], resourceNames = [], verbs } of rules ?? []) {
        t.notOk([...apiGroups, ...resources, ...verbs].includes('*'), metadata.name)
        if (resources.includes('secrets')) t.same(resourceNames, [webhookCertificatesName], metadata.name)
      }
    }
  },
)

void t.test(
  'with cert-manager the webhook has no right to write, and every configuration is injected',
  async (t) => {
    await using overlay = await temporaryFolder('overlay')
    const kustomization = {
      resources: [relative(overlay.path, base)],
      components: [relative(overlay.path, join(manifests, 'components/cert-manager'))],
    }
    await writeFile(join(overlay.path, 'kustomization.yaml'), stringify(kustomization))
    const found = await build(overlay.path)
    t.same(
      found.filter(({ kind, metadata }) => kind.includes('Role') && metadata.name.includes('certificates')),
      [],
    )
    for (const kind of ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration']) {
      t.match(
        found.find((object) => object.kind === kind)?.metadata,
        { annotations: { 'cert-manager.io/inject-ca-from': 'greenroom-system/agent-webhook-tls' } },
        kind,
      )
    }
    const webhook = found.find(
      ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'agent-webhook',
    ) as V1Deployment | undefined
    const [container] = webhook?.spec?.template.spec?.containers ?? []
    const env = new Map(container?.env?.map(({ name, value }) => [name, value]))
    t.equal(env.get('GREENROOM_WEBHOOK_CERTIFICATES'), 'files')
    const mounted = container?.volumeMounts?.map(({ mountPath }) => `${mountPath}/tls.crt`)
    t.same(mounted, [env.get('GREENROOM_WEBHOOK_CERT_FILE')])
  },
)

void t.test('selectors find what they are meant to find', async (t) => {
  const templates = podTemplates()
  for (const { metadata, spec } of all<V1Deployment>('Deployment')) {
    t.match(spec?.template.metadata?.labels, spec?.selector.matchLabels ?? {}, metadata.name)
  }
  const selecting = [
    ...all<V1Service>('Service').map(({ kind, metadata, spec }) => ({
      kind,
      metadata,
      labels: spec?.selector,
    })),
    ...all<V1Deployment>('PodDisruptionBudget').map(({ kind, metadata, spec }) => ({
      kind,
      metadata,
      labels: spec?.selector.matchLabels,
    })),
  ]
  for (const { kind, metadata, labels } of selecting) {
    const found = templates.filter(
      ({ namespace, template }) =>
        namespace === metadata.namespace &&
        Object.entries(labels ?? { none: '' }).every(
          ([key, value]) => template.metadata?.labels?.[key] === value,
        ),
    )
    t.equal(found.length, 1, `${kind} ${metadata.name}`)
  }
})

void t.test('port names exist', async (t) => {
  for (const { metadata, spec } of all<V1Service>('Service')) {
    const pods = podTemplates().filter(({ template }) =>
      Object.entries(spec?.selector ?? {}).every(
        ([key, value]) => template.metadata?.labels?.[key] === value,
      ),
    )
    const names = pods.flatMap(({ template }) =>
      (template.spec?.containers ?? []).flatMap(({ ports = [] }) =>
        ports.flatMap((port) => [port.name, port.containerPort]),
      ),
    )
    for (const { targetPort } of spec?.ports ?? []) {
      t.ok(names.includes(targetPort), `Service ${metadata.name}: ${targetPort}`)
    }
  }
  for (const { owner, template } of podTemplates()) {
    for (const container of template.spec?.containers ?? []) {
      const names = (container.ports ?? []).flatMap(({ name, containerPort }) => [name, containerPort])
      for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe]) {
        if (probe?.httpGet) t.ok(names.includes(probe.httpGet.port), `${owner}: ${probe.httpGet.port}`)
      }
    }
  }
})

void t.test(
  'a slow start is not taken for a death, and no request comes before the start is over',
  async (t) => {
    for (const { metadata, spec } of all<V1Deployment>('Deployment')) {
      for (const { startupProbe } of spec?.template.spec?.containers ?? []) {
        const patienceSeconds = (startupProbe?.periodSeconds ?? 0) * (startupProbe?.failureThreshold ?? 0)
        t.ok(patienceSeconds >= 60, `${metadata.name}: ${patienceSeconds} s`)
      }
    }
    const server = one<V1Deployment>('Deployment', 'session-management-server').spec?.template.spec
    t.strictSame(server?.containers[0]?.args, ['controller', 'api'], 'the API listens last')
  },
)

/** The variables of a Secret's example, which holds no values. */
function namesIn(t: Test, example: string): string[] {
  const text = readFileSync(join(base, 'session-server', example), 'utf8')
  return [...text.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => {
    t.equal(value, '', `${name}: the example holds no value`)
    return name ?? ''
  })
}

void t.test('the migration alone has the owner of the schema, under an account of its own', async (t) => {
  const [job] = all<V1Job>('Job')
  const spec = job?.spec?.template.spec
  t.equal(spec?.serviceAccountName, 'greenroom-migrate')
  t.same(
    spec?.containers[0]?.env?.map(({ name, valueFrom }) => [name, valueFrom?.secretKeyRef?.name]),
    namesIn(t, 'migrate.example.env').map((name) => [name, 'greenroom-migrate']),
  )
  const server = one<V1Deployment>('Deployment', 'session-management-server')
  t.notMatch(JSON.stringify(server), /greenroom-migrate/)
  const roles = JSON.stringify([...all('RoleBinding'), ...all('ClusterRoleBinding')])
  t.notMatch(roles, /greenroom-migrate/, 'it has no rights in the cluster')
})

void t.test('the environment of the server is complete, and secrets come by reference', async (t) => {
  const [container] =
    one<V1Deployment>('Deployment', 'session-management-server').spec?.template.spec?.containers ?? []
  const env = new Map((container?.env ?? []).map((variable) => [variable.name, variable]))
  for (const name of namesIn(t, 'secret.example.env')) {
    t.match(env.get(name)?.valueFrom?.secretKeyRef, { name: 'session-management-server', key: name })
  }
  for (const name of [
    'GREENROOM_NAMESPACE',
    'GREENROOM_PORT',
    'GREENROOM_API_URL',
    'GREENROOM_ASSIGN_KEY_FILE',
  ]) {
    t.ok(env.has(name), name)
  }
  const keyMount = container?.volumeMounts?.find(({ readOnly }) => readOnly)
  t.ok(
    env.get('GREENROOM_ASSIGN_KEY_FILE')?.value?.startsWith(`${keyMount?.mountPath}/`),
    'the key is mounted there',
  )
})

void t.test('the secrets of LiveKit reach the session server and no other pod', (t) => {
  const users = objects.filter((object) => JSON.stringify(object).includes('LIVEKIT_API_SECRET'))
  t.same(
    users.map(({ kind, metadata }) => `${kind} ${metadata.name}`).toSorted((a, b) => a.localeCompare(b)),
    // The policy holds that component to it.
    ['ConfigMap agent-policy', 'Deployment session-management-server'],
  )
  const policy = parse(one<ConfigMap>('ConfigMap', 'agent-policy').data['policy.yaml'] ?? '')
  const { components, ...rest } = policy
  t.notMatch(JSON.stringify(rest), /LIVEKIT/, 'no row gives them to agents')
  for (const { name, env = [] } of components) {
    const holds = JSON.stringify(env).includes('LIVEKIT')
    t.equal(holds, name === 'session-management-server' || name === 'livekit', name)
  }
  t.end()
})

void t.test('quota and limit range are the ones specified', async (t) => {
  t.strictSame(one<V1ResourceQuota>('ResourceQuota', 'ai-agents-quota').spec?.hard, {
    'requests.cpu': '10',
    'requests.memory': '20Gi',
    'limits.cpu': '20',
    'limits.memory': '40Gi',
    pods: '50',
  })
  t.strictSame(one<V1LimitRange>('LimitRange', 'ai-agents-limits').spec?.limits, [
    {
      type: 'Container',
      default: { cpu: '500m', memory: '1Gi' },
      defaultRequest: { cpu: '100m', memory: '256Mi' },
    },
  ])
})

void t.test(
  'no warning of Pod Security speaks of what the webhook sets, and its refusals stay',
  async (t) => {
    for (const { metadata } of all('Namespace')) {
      const { labels = {} } = metadata
      t.equal(labels['pod-security.kubernetes.io/enforce'], 'restricted', metadata.name)
      if (labels['greenroom.dev/agents'] === 'enabled')
        t.equal(labels['pod-security.kubernetes.io/warn'], 'privileged', metadata.name)
    }
  },
)

void t.test('what the webhook guards is applied before the webhook is asked about it', async (t) => {
  const kinds = objects.map(({ kind }) => kind)
  t.ok(kinds.lastIndexOf('ConfigMap') < kinds.indexOf('ValidatingWebhookConfiguration'))
})

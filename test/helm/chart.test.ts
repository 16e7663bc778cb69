import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { V1Deployment, V1Job, V1NetworkPolicy, V1Role } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { chart } from '../../bed/servers/helm.ts'
import { chartFiles } from '../../scripts/chart/write-chart.ts'
import { checkPolicy } from '../../src/admission/rules/check-policy.ts'
import { checkPools } from '../../src/domain/pool.ts'
import { podsThatAdmissionRefuses } from '../manifests-run/checks/workload-checks.ts'
import { contradictions } from '../manifests-run/contradictions.ts'
import type { ManifestObject } from '../manifests-run/manifest-set.ts'
import type { ConfigMap, Manifest } from '../support/built-manifests.ts'
import { objectsIn, render, testHelm } from './rendered-chart.ts'

/** What the values of the chart do, and which are refused. chart-parity.test.ts compares it with kustomize. */

const { helm, remove } = await testHelm()
t.teardown(() => remove())

const set = (...values: readonly string[]) => values.flatMap((value) => ['--set', value])

function one<T>(objects: readonly Manifest[], kind: string, name: string): T & Manifest {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name)
  if (!found) throw new Error(`no ${kind} ${name}`)
  return found as T & Manifest
}

void t.test('values.yaml, its schema and the table of the page follow from one declaration', (t) => {
  for (const [path, text] of Object.entries(chartFiles()))
    t.equal(readFileSync(join(root, path), 'utf8'), text, `${path}: run node scripts/chart/write-chart.ts`)
  t.end()
})

void t.test('the chart has the version of Greenroom, and lint finds nothing', async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const described = parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8')) as Record<string, unknown>
  t.match(described, { version, appVersion: version, kubeVersion: '>=1.30.0-0' })
  t.match(JSON.stringify(described['annotations']), `greenroom:${version}`)
  const values = ['dev', 'staging'].flatMap((name) => [
    '-f',
    join(root, `manifests/helm/values/${name}.yaml`),
  ])
  const { code, stdout, stderr } = await helm(['lint', '--strict', chart, ...values])
  t.equal(code, 0, stdout + stderr)
  t.notMatch(stdout, /\[(WARNING|ERROR)\]/)
})

void t.test('a value that is unknown or impossible is refused with its path', async (t) => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['replicas=3', /additional properties 'replicas' not allowed/],
    ['image.name=x', /at '\/image': additional properties 'name' not allowed/],
    ['postgresql.persistence.class=x', /at '\/postgresql\/persistence': additional properties 'class'/],
    ['pools.echo-agent.minimum=1', /at '\/pools\/echo-agent': additional properties 'minimum'/],
    ['policy.defaults.grace=1', /at '\/policy\/defaults': additional properties 'grace'/],
    ['replicaCount=0', /at '\/replicaCount': minimum: got 0, want 1/],
    ['image.tag=latest', /at '\/image\/tag': 'not' failed/],
    ['image.digest=sha256:1', /at '\/image\/digest': 'sha256:1' does not match pattern/],
    ['postgresql.image=postgres:latest', /at '\/postgresql\/image': 'not' failed/],
    ['logLevel=loud', /at '\/logLevel'/],
  ]
  // Helm lists all of them at once.
  const all = await helm(['template', 'greenroom', chart, ...set(...refused.map(([value]) => value))])
  t.equal(all.code, 1)
  for (const [value, why] of refused) t.match(all.stderr, why, value)
  const noHost = await helm(['template', 'greenroom', chart, ...set('ingress.enabled=true')])
  const inAgents = await helm(['template', 'greenroom', chart, '--namespace', 'ai-agents'])
  t.match(inAgents, { code: 1, stderr: /the chart makes namespace ai-agents itself[^]*another one/ })
  t.match(noHost, { code: 1, stderr: /ingress\.host is missing: say under which name/ })
})

void t.test('one decides how many session servers run: replicas, or an autoscaler', async (t) => {
  const scaled = await render(helm, set('autoscaling.targetMemoryUtilizationPercentage=80', 'replicaCount=7'))
  t.notOk('replicas' in (one<V1Deployment>(scaled, 'Deployment', 'session-management-server').spec ?? {}))
  t.match(one(scaled, 'HorizontalPodAutoscaler', 'backend-hpa'), {
    spec: {
      metrics: [
        { resource: { name: 'cpu', target: { averageUtilization: 70 } } },
        { resource: { name: 'memory', target: { averageUtilization: 80 } } },
      ],
    },
  })
  const fixed = await render(helm, set('autoscaling.enabled=false', 'replicaCount=7'))
  t.equal(one<V1Deployment>(fixed, 'Deployment', 'session-management-server').spec?.replicas, 7)
  t.notOk(fixed.some(({ kind }) => kind === 'HorizontalPodAutoscaler'))
})

void t.test('an image of another name goes everywhere, and the policy lets it in', async (t) => {
  const digest = `sha256:${'a'.repeat(64)}`
  const repository = 'registry.example.com:5000/team/greenroom'
  const objects = await render(helm, set(`image.repository=${repository}`, `image.digest=${digest}`))
  const images = [...JSON.stringify(objects).matchAll(/\\?"image\\?":\s*\\?"([^"\\]+)/g)].map(
    ([, image]) => image,
  )
  t.same(new Set(images), new Set([`${repository}@${digest}`]))
  t.equal(images.length, 4, 'session server, webhook, migration, test')
  documentsAreValid(t, objects)
  const pools = one<ConfigMap>(objects, 'ConfigMap', 'agent-pools').data['pools.yaml'] ?? ''
  t.match(pools, `image: ${repository}@${digest}`)
  const policy = parse(one<ConfigMap>(objects, 'ConfigMap', 'agent-policy').data['policy.yaml'] ?? '')
  t.strictSame(policy.agentTypes['echo-agent'].images.allowed, [repository])
  t.same(
    policy.components.filter(({ images: [image] }: { images: string[] }) => image === `${repository}:*`)
      .length,
    3,
  )
})

void t.test('the webhook may have another version than the rest', async (t) => {
  const digests = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`]
  const imagesWith = async (...values: readonly string[]) => {
    const objects = await render(helm, set(...values))
    return ['agent-webhook', 'session-management-server'].map(
      (name) => one<V1Deployment>(objects, 'Deployment', name).spec?.template.spec?.containers[0]?.image,
    )
  }
  t.same(await imagesWith('webhook.image.tag=0.2.0'), ['greenroom:0.2.0', 'greenroom:0.1.0'])
  t.same(await imagesWith(`image.digest=${digests[0]}`, 'webhook.image.tag=0.2.0'), [
    'greenroom:0.2.0',
    `greenroom@${digests[0]}`,
  ])
  t.same(
    await imagesWith(`image.digest=${digests[0]}`, `webhook.image.digest=${digests[1]}`),
    digests.toReversed().map((digest) => `greenroom@${digest}`),
  )
})

/** As every reader of them checks them. */
function documentsAreValid(t: Test, objects: readonly Manifest[]): void {
  const policy = checkPolicy(one<ConfigMap>(objects, 'ConfigMap', 'agent-policy').data['policy.yaml'] ?? '')
  t.same(policy.ok ? [] : policy.problems, [], 'agent-policy')
  const pools = checkPools(one<ConfigMap>(objects, 'ConfigMap', 'agent-pools').data['pools.yaml'] ?? '')
  t.same(pools.ok ? [] : pools.problems, [], 'agent-pools')
}

void t.test('pools and policy of your own', async (t) => {
  await using folder = await temporaryFolder('values')

  const values = join(folder.path, 'values.yaml')
  await writeFile(
    values,
    JSON.stringify({
      pools: { 'stella-agent': { template: { image: 'registry.example.com/stella:1' }, min: 3, max: 9 } },
      policy: {
        agentTypes: { 'stella-agent': { images: { allowed: ['registry.example.com/stella'] } } },
        policyOwners: { groups: ['system:masters', 'platform'] },
      },
    }),
  )
  const objects = await render(helm, ['-f', values])
  documentsAreValid(t, objects)
  const pools = parse(one<ConfigMap>(objects, 'ConfigMap', 'agent-pools').data['pools.yaml'] ?? '').pools
  t.same(Object.keys(pools), ['stella-agent'])
  t.equal(pools['stella-agent'].template.image, 'registry.example.com/stella:1', 'an image of yours stays')
  const policy = parse(one<ConfigMap>(objects, 'ConfigMap', 'agent-policy').data['policy.yaml'] ?? '')
  t.match(policy.agentTypes['stella-agent'], {
    images: { allowed: ['registry.example.com/stella'] },
    resources: { limits: { memory: '2Gi' } },
  })
  t.same(policy.policyOwners.groups, ['system:masters', 'platform'])
})

void t.test(
  'with any values it keeps the rules of all manifests, and the policy lets its pods in',
  async (t) => {
    const variants = {
      'values.yaml': [],
      dev: ['-f', join(root, 'manifests/helm/values/dev.yaml')],
      prod: ['-f', join(root, 'manifests/helm/values/prod.yaml')],
      others: set(
        'image.repository=registry.example.com/greenroom',
        `image.digest=sha256:${'b'.repeat(64)}`,
        'imagePullSecrets[0].name=registry',
        'antiAffinity.enabled=true',
        'nodeAffinity[0].key=workload-type',
        'nodeAffinity[0].operator=Exists',
        'priorityClass.name=',
        'tryPage=true',
        'publicDocs=true',
        'callerServiceAccounts.shop/frontend=checkout sessions:open',
        'tokenReview=true',
        'postgresql.enabled=true',
        'postgresql.existingSecret=database',
        'postgresql.image=registry.example.com/postgres:16.15',
        'redis.enabled=true',
        'livekit.enabled=true',
        'backup.enabled=true',
      ),
    }
    const rules = Object.entries(contradictions).flatMap(([id, { check, only }]) =>
      check && !only ? [{ id, check }] : [],
    )
    t.ok(rules.length >= 10)
    for (const [name, values] of Object.entries(variants)) {
      const chartSet = { name, objects: (await render(helm, values)) as readonly ManifestObject[] }
      for (const { id, check } of rules) t.strictSame(check(chartSet), [], `${name}: ${id}`)
      t.strictSame(podsThatAdmissionRefuses(chartSet), [], name)
    }
  },
)

void t.test('who may call stands in the environment and, with its value, in the policy', async (t) => {
  const objects = await render(
    helm,
    set(
      'oidc.issuer=https://login.example.com',
      'oidc.audience=greenroom',
      'oidc.projectClaim=team',
      'oidc.scopes.ops=admin',
      'oidc.scopes.staff=sessions:open sessions:read',
      'callerServiceAccounts.shop/frontend=checkout sessions:open',
      'tokenReview=true',
    ),
  )
  const expected = [
    { name: 'GREENROOM_OIDC_AUDIENCE', value: 'greenroom' },
    { name: 'GREENROOM_OIDC_ISSUER', value: 'https://login.example.com' },
    { name: 'GREENROOM_OIDC_PROJECT_CLAIM', value: 'team' },
    { name: 'GREENROOM_OIDC_SCOPES', value: 'ops=admin,staff=sessions:open sessions:read' },
    { name: 'GREENROOM_OIDC_SCOPES_CLAIM', value: 'scope' },
    { name: 'GREENROOM_SERVICE_ACCOUNTS', value: 'shop/frontend=checkout sessions:open' },
    { name: 'GREENROOM_TOKEN_REVIEW', value: 'true' },
  ]
  const server = one<V1Deployment>(objects, 'Deployment', 'session-management-server')
  const variables = server.spec?.template.spec?.containers[0]?.env ?? []
  t.strictSame(variables.slice(-expected.length), expected)
  const document = one<ConfigMap>(objects, 'ConfigMap', 'agent-policy').data['policy.yaml']
  const { components } = parse(document ?? '') as { components: { name: string; env: unknown[] }[] }
  const row = components.find(({ name }) => name === 'session-management-server')
  t.strictSame(row?.env.slice(-expected.length), expected)
  t.match(one(objects, 'ClusterRoleBinding', 'greenroom-token-review'), {
    subjects: [{ name: 'session-management-sa', namespace: 'ai-agents' }],
  })
  await t.rejects(render(helm, set('oidc.issuer=https://login.example.com')), /oidc\.audience is missing/)
})

void t.test(
  'where the document of the pools is kept elsewhere, the right to change it goes too',
  async (t) => {
    const rulesOf = async (...values: string[]) => {
      const objects = await render(helm, set(...values))
      const server = one<V1Deployment>(objects, 'Deployment', 'session-management-server')
      return {
        env: server.spec?.template.spec?.containers[0]?.env ?? [],
        rules: one<V1Role>(objects, 'Role', 'session-management').rules ?? [],
      }
    }
    const editing = await rulesOf()
    const closed = await rulesOf('editPools=false')
    const variable = { name: 'GREENROOM_EDIT_POOLS', value: 'false' }
    t.notMatch(editing.env, [variable])
    t.ok(closed.env.some(({ name, value }) => name === variable.name && value === variable.value))
    t.equal(editing.rules.length - closed.rules.length, 2)
    const text = JSON.stringify(closed.rules)
    t.notMatch(text, /localsubjectaccessreviews/)
    t.notOk(
      closed.rules.some(
        ({ resourceNames, verbs }) => resourceNames?.includes('agent-pools') && verbs.includes('update'),
      ),
    )
  },
)

void t.test('the migration is an object at an install, and stands before an upgrade', async (t) => {
  const [installed, upgraded] = await Promise.all([render(helm), render(helm, ['--is-upgrade'])])
  const annotations = (objects: readonly Manifest[]) =>
    one<V1Job>(objects, 'Job', 'greenroom-migrate-0-1-0').metadata as { annotations?: object }
  t.notOk(annotations(installed).annotations)
  t.match(annotations(upgraded).annotations, { 'helm.sh/hook': 'pre-upgrade' })
})

void t.test('what Prometheus and Grafana get follows the values', async (t) => {
  const all = ['serviceMonitor', 'podMonitor', 'rules', 'dashboard'].map(
    (part) => `monitoring.${part}.enabled=true`,
  )
  const objects = await render(
    helm,
    set(
      ...all,
      'monitoring.podMonitor.interval=30s',
      'monitoring.podMonitor.labels.release=prom',
      'monitoring.rules.runbooks=https://wiki.example/greenroom/',
    ),
  )
  t.match(one(objects, 'PodMonitor', 'agents'), {
    metadata: { labels: { release: 'prom' } },
    spec: { podMetricsEndpoints: [{ port: 'http', interval: '30s' }] },
  })
  const rules = JSON.stringify(one(objects, 'PrometheusRule', 'greenroom'))
  t.match(rules, '"https://wiki.example/greenroom/GreenroomPoolEmpty.md"')
  t.notMatch(rules, 'docs/runbooks')
  const { data } = one<ConfigMap>(objects, 'ConfigMap', 'greenroom-dashboard')
  t.same(Object.keys(data).sort(), ['greenroom-admission.json', 'greenroom-pools.json', 'greenroom.json'])
  for (const text of Object.values(data)) t.match(JSON.parse(text), { tags: ['greenroom'] })

  const annotated = (found: readonly Manifest[]) =>
    [
      one<V1Deployment>(found, 'Deployment', 'session-management-server').spec?.template.metadata,
      one<V1Deployment>(found, 'Deployment', 'agent-webhook').spec?.template.metadata,
      one<ConfigMap>(found, 'ConfigMap', 'agent-pools').data,
    ].map((where) => JSON.stringify(where).includes('prometheus.io/scrape'))
  t.same(annotated(objects), [true, true, true])
  t.same(annotated(await render(helm, set('monitoring.annotations=false'))), [false, false, false])
})

void t.test('what is configured is reachable: LiveKit, monitoring, the API server', async (t) => {
  const objects = await render(
    helm,
    set(
      'networkPolicy.livekit.cidrs[0]=10.20.30.0/28',
      'networkPolicy.livekit.namespace=media',
      'networkPolicy.monitoringNamespace=prometheus',
      'networkPolicy.apiServer.cidrs[0]=203.0.113.7/32',
      'networkPolicy.apiServer.ports[0]=8443',
    ),
  )
  const policy = (name: string) => one<V1NetworkPolicy>(objects, 'NetworkPolicy', name).spec
  const peers = policy('agent-network-policy')?.egress?.flatMap(({ to = [] }) => to)
  t.ok(peers?.some(({ ipBlock }) => ipBlock?.cidr === '10.20.30.0/28'))
  t.ok(
    peers?.some(
      ({ namespaceSelector }) => namespaceSelector?.matchLabels?.['kubernetes.io/metadata.name'] === 'media',
    ),
  )
  const [ipv4, ipv6] = policy('agent-internet')?.egress?.flatMap(({ to = [] }) => to) ?? []
  t.ok(ipv4?.ipBlock?.except?.includes('203.0.113.7/32'), 'agents do not reach it')
  t.notOk(ipv6?.ipBlock?.except?.includes('203.0.113.7/32'))
  t.match(JSON.stringify(policy('session-management-server')?.ingress), '"prometheus"')
  t.same(policy('agent-webhook')?.egress?.at(-1), {
    to: [{ ipBlock: { cidr: '203.0.113.7/32' } }],
    ports: [{ protocol: 'TCP', port: 8443 }],
  })
})

void t.test('no Secret is made, and no value is one', async (t) => {
  for (const name of ['dev', 'prod']) {
    const objects = await render(helm, ['-f', join(root, `manifests/helm/values/${name}.yaml`)])
    t.notOk(objects.some(({ kind }) => kind === 'Secret'))
  }
  t.notMatch(readFileSync(join(chart, 'values.yaml'), 'utf8'), /password:|apiKey:/i)
})

void t.test('the packaged chart, without links, renders the same', async (t) => {
  await using folder = await temporaryFolder('package')
  const packed = await helm(['package', chart, '--destination', folder.path])
  t.equal(packed.code, 0, packed.stderr)
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const archive = join(folder.path, `greenroom-${version}.tgz`)
  const { code, stdout, stderr } = await helm(['template', 'greenroom', archive])
  t.equal(code, 0, stderr)
  t.same(objectsIn(stdout), await render(helm))
})

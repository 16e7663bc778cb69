import { realpath, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { createKubectl } from '../../bed/servers/kubectl.ts'
import { findControlPlane } from '../../bed/set-up/binaries.ts'
import type { ConfigMap, Manifest } from '../support/built-manifests.ts'
import { objectsIn, render, testHelm } from './rendered-chart.ts'

/** The chart and kustomize give the same objects for the same settings, but for what `differences` names. */

interface Setting {
  readonly name: string
  readonly folder: string
  /** Of manifests/components, on top of the folder. */
  readonly components?: readonly string[]
  readonly values: readonly string[]
}

const settings: readonly Setting[] = [
  { name: 'base', folder: 'manifests/base', values: [] },
  {
    name: 'options',
    folder: 'manifests/base',
    components: ['cert-manager', 'postgres', 'backup', 'node-affinity', 'tracing'],
    values: [
      'certManager.enabled=true',
      'postgresql.enabled=true',
      'backup.enabled=true',
      'nodeAffinity[0].key=workload-type',
      'nodeAffinity[0].operator=In',
      'nodeAffinity[0].values[0]=ai-agents',
      'tracing.agents=true',
    ].flatMap((value) => ['--set', value]),
  },
  { name: 'dev', folder: 'manifests/overlays/dev', values: ['-f', 'manifests/helm/values/dev.yaml'] },
  {
    name: 'staging',
    folder: 'manifests/overlays/staging',
    values: ['-f', 'manifests/helm/values/staging.yaml'],
  },
  { name: 'prod', folder: 'manifests/overlays/prod', values: ['-f', 'manifests/helm/values/prod.yaml'] },
]

/** Each must be found, or it is no difference any more. */
const differences: readonly { readonly where: RegExp; readonly why: string }[] = [
  {
    where: /^[^:]+: only in the chart, a hook of helm test$/,
    why: 'kustomize has no `helm test`',
  },
  {
    where: /^ConfigMap ai-agents\/agent-policy: data\.policy\.yaml\.components\.\d+ \(greenroom-test\)$/,
    why: "the row of `helm test`'s pod",
  },
  {
    where: /: spec\..*containers\.0\.imagePullPolicy$/,
    why: 'a value of the chart; IfNotPresent is what Kubernetes takes for an image with a version',
  },
  {
    where:
      /^ConfigMap ai-agents\/agent-pools: data\.pools\.yaml\.pools\.echo-agent\.template\.imagePullPolicy$/,
    why: 'the same value for pools of our image',
  },
  {
    where: /^(Namespace ai-agents|PersistentVolumeClaim ai-agents\/postgres-backup): metadata\.annotations$/,
    why: '`helm uninstall` must not delete a database and its dumps',
  },
]

/** Helm's and ours for it; kustomize has no releases. */
const releaseLabels = [
  'helm.sh/chart',
  'app.kubernetes.io/managed-by',
  'app.kubernetes.io/instance',
  'app.kubernetes.io/part-of',
  'app.kubernetes.io/version',
]

const { helm, remove } = await testHelm()
t.teardown(() => remove())

async function kustomized(folder: string, components: readonly string[] = []): Promise<readonly Manifest[]> {
  const kubectl = findControlPlane()?.kubectl
  if (!kubectl) throw new Error('kubectl is missing: run "npm run setup" first')
  await using scratch = await temporaryFolder('kustomize')
  // kustomize takes no absolute paths.
  const from = relative(await realpath(scratch.path), root)
  const kustomization = {
    resources: [join(from, folder)],
    components: components.map((name) => join(from, 'manifests/components', name)),
  }
  await writeFile(join(scratch.path, 'kustomization.yaml'), stringify(kustomization))
  const run = createKubectl(scratch.path, kubectl, '/dev/null')
  const { code, stdout, stderr } = await run(['kustomize', scratch.path])
  if (code !== 0) throw new Error(stderr)
  return objectsIn(stdout)
}

const idOf = ({ kind, metadata: { namespace, name } }: Manifest): string =>
  `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`

/** With the two documents as what they say, not as text. */
function comparable(object: Manifest): unknown {
  const { labels = {}, ...metadata } = object.metadata
  const kept = Object.fromEntries(Object.entries(labels).filter(([key]) => !releaseLabels.includes(key)))
  const shown = {
    ...object,
    metadata: { ...metadata, ...(Object.keys(kept).length > 0 && { labels: kept }) },
  }
  const { data } = object as ConfigMap
  if (object.kind !== 'ConfigMap' || !data) return shown
  const documents = Object.entries(data).map(([key, text]) => [
    key,
    key.endsWith('.yaml') ? parse(text) : text,
  ])
  return { ...shown, data: Object.fromEntries(documents) }
}

/** Paths at which the two are not the same. */
function unequal(a: unknown, b: unknown, path: string): readonly string[] {
  if (isTree(a) && isTree(b)) {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)])
    return [...keys].flatMap((key) => unequal(a[key], b[key], path === '' ? key : `${path}.${key}`))
  }
  if (Object.is(a, b)) return []
  const name = isTree(b) && typeof b['name'] === 'string' && a === undefined ? ` (${b['name']})` : ''
  return [`${path}${name}`]
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function found(kustomize: readonly Manifest[], chart: readonly Manifest[]): readonly string[] {
  const [ours, theirs] = [kustomize, chart].map(
    (some) => new Map(some.map((object) => [idOf(object), object])),
  )
  if (!ours || !theirs) throw new Error('there are two')
  return [...new Set([...ours.keys(), ...theirs.keys()])].flatMap((id) => {
    const [a, b] = [ours.get(id), theirs.get(id)]
    if (!b) return [`${id}: only in kustomize`]
    const { annotations } = b.metadata as { annotations?: Record<string, string> }
    if (!a)
      return [
        `${id}: only in the chart${annotations?.['helm.sh/hook'] === 'test' ? ', a hook of helm test' : ''}`,
      ]
    return unequal(comparable(a), comparable(b), '').map((path) => `${id}: ${path}`)
  })
}

const seen = new Set<string>()

for (const { name, folder, components, values } of settings) {
  void t.test(`${name}: the chart is what kustomize builds`, async (t) => {
    const [kustomize, chart] = await Promise.all([kustomized(folder, components), render(helm, values)])
    t.ok(kustomize.length > 30)
    const all = found(kustomize, chart)
    for (const difference of all) seen.add(difference)
    t.same(
      all.filter((difference) => !differences.some(({ where }) => where.test(difference))),
      [],
    )
  })
}

void t.test('every difference of the table is one', async (t) => {
  for (const { where, why } of differences)
    t.ok(
      [...seen].some((difference) => where.test(difference)),
      why,
    )
})

void t.test('a change on one side only is seen', async (t) => {
  const chart = await render(helm, [
    '--set',
    'webhook.replicas=2',
    '--set',
    'policy.defaults.gracePeriodSeconds=31',
  ])
  const others = found(await kustomized('manifests/base'), chart).filter(
    (difference) => !differences.some(({ where }) => where.test(difference)),
  )
  t.same(others.toSorted(), [
    'ConfigMap ai-agents/agent-policy: data.policy.yaml.defaults.gracePeriodSeconds',
    'Deployment greenroom-system/agent-webhook: spec.replicas',
  ])
})

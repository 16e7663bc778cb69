import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { adding, type Breaking, breaking, type Check } from './check.ts'
import { expressionsOfNoMetric, labelsWithoutEnd } from './checks/monitoring-checks.ts'
import { servicesThatLeadNowhere } from './checks/network-checks.ts'
import { missingTest, oldKustomizeFields } from './checks/source-checks.ts'
import { podsThatAdmissionRefuses } from './checks/workload-checks.ts'
import { contradictions } from './contradictions.ts'
import { counterExamples } from './counter-examples.ts'
import { buildAll, kustomizationFiles, type ManifestSet } from './manifest-set.ts'

/** Everything that somebody may apply, as kustomize builds it, held to the decisions on the contradictions of the documents. */

const sets = await buildAll()
const files = await kustomizationFiles()

function named(name: string): ManifestSet {
  const found = sets.find((set) => set.name === name)
  if (!found) throw new Error(`no set ${name}`)
  return found
}

function problemsIn(check: Check, only = sets.map(({ name }) => name)): string[] {
  return only.flatMap((name) => check(named(name)).map((problem) => `${name}: ${problem}`))
}

void t.test('all 31 are decided', (t) => {
  const ids = Array.from({ length: 31 }, (_, index) => `C${index + 1}`)
  t.strictSame(Object.keys(contradictions), ids)
  t.end()
})

for (const [id, { decision, check, only, files: ofFiles, metrics, shownBy }] of Object.entries(
  contradictions,
)) {
  void t.test(`${id}: ${decision}`, (t) => {
    if (check) t.strictSame(problemsIn(check, only?.slice()), [])
    if (ofFiles) t.strictSame(ofFiles(files), [])
    if (metrics) t.strictSame(metrics(), [])
    if (shownBy) t.strictSame(missingTest(readFileSync(join(root, shownBy.file), 'utf8'), shownBy.test), [])
    const examples = counterExamples[id] ?? []
    if (check) t.not(examples.length, 0, 'a counter-example')
    for (const { set, broken, finds } of examples) t.match(check?.(broken(named(set))).join('\n'), finds)
    t.end()
  })
}

void t.test('counter-examples of what is no set', (t) => {
  const path = 'kustomization.yaml'
  t.strictSame(oldKustomizeFields([{ path, document: { patchesStrategicMerge: [] } }]), [
    `${path} has patchesStrategicMerge`,
  ])
  t.strictSame(
    labelsWithoutEnd(new Map([['agent_messages_processed_total', ['agent_type', 'session_id']]])),
    ['agent_messages_processed_total has label session_id'],
  )
  t.strictSame(missingTest("t.test('another')", 'this one'), ['no test is called "this one"'])
  t.end()
})

/** Other rules that every set keeps. */
const further: Readonly<
  Record<string, { readonly check: Check; readonly set: string; readonly broken: Breaking }>
> = {
  'admission takes a pod of every workload, by the policy of its own set': {
    check: podsThatAdmissionRefuses,
    set: 'manifests/overlays/dev',
    broken: breaking<{ spec: { template: { spec: { containers: { args?: string[] }[] } } } }>(
      'Deployment',
      'redis',
      ({ spec }) => {
        const [container] = spec.template.spec.containers
        if (container) container.args = ['--protected-mode', 'no']
      },
    ),
  },
  'every Service leads to pods and ports that are there': {
    check: servicesThatLeadNowhere,
    set: 'manifests/overlays/prod',
    broken: adding({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'lost', namespace: 'ai-agents' },
      spec: { selector: { app: 'lost' }, ports: [{ port: 80 }] },
    }),
  },
  'alerts and dashboards ask for metrics, labels and outcomes that are there': {
    check: expressionsOfNoMetric,
    set: 'manifests/components/monitoring',
    broken: adding({
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PrometheusRule',
      metadata: { name: 'wrong' },
      spec: { groups: [{ rules: [{ alert: 'Wrong', expr: 'sum by (session) (greenroom_pool_target)' }] }] },
    }),
  },
}
for (const [title, { check, set, broken }] of Object.entries(further)) {
  void t.test(title, (t) => {
    t.strictSame(problemsIn(check), [])
    t.not(check(broken(named(set))).length, 0, 'and it finds a counter-example')
    t.end()
  })
}

void t.test('staging and prod: three webhooks apart, the server scales, nothing of a trial', (t) => {
  for (const name of ['manifests/overlays/staging', 'manifests/overlays/prod']) {
    const { objects } = named(name)
    const find = (kind: string, wanted: string) =>
      objects.find((object) => object.kind === kind && object.metadata.name === wanted)
    t.match(find('Deployment', 'agent-webhook')?.spec, {
      replicas: 3,
      template: { spec: { topologySpreadConstraints: [{ topologyKey: 'kubernetes.io/hostname' }] } },
    })
    t.match(find('HorizontalPodAutoscaler', 'backend-hpa')?.spec, { maxReplicas: 10 })
    for (const store of ['postgres', 'redis', 'livekit'])
      t.notOk(
        objects.some((object) => object.metadata.name === store),
        `${name} has no ${store}`,
      )
    t.notMatch(JSON.stringify(find('Deployment', 'session-management-server')), /GREENROOM_TRY_PAGE/)
  }
  const webhook = named('manifests/overlays/prod').objects.find(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'agent-webhook',
  )
  t.match(JSON.stringify(webhook), /"requiredDuringSchedulingIgnoredDuringExecution"/)
  t.end()
})

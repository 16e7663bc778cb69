import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  AppsV1Api,
  BatchV1Api,
  CoreV1Api,
  KubeConfig,
  type V1Container,
  type V1Pod,
} from '@kubernetes/client-node'
import t from 'tap'
import { parseAllDocuments, stringify } from 'yaml'
import { until } from '../../bed/processes/until.ts'
import { root } from '../../bed/repository.ts'
import { startControllerManager, withoutControllerManager } from '../../bed/servers/controller-manager.ts'
import { greenroomUser } from '../admission/pod-samples.ts'
import { contradictions, differences } from '../admission/rules/pod-field-coverage.ts'
import { refusal } from './admission-bed.ts'
import { agentPod, labelled, namespace, startTableBed } from './admission-table-bed.ts'
import { fieldsOfPods } from './open-api-fields.ts'

/**
 * The table as the API server sees it: what its own plugins do before and after us, another mutating webhook, real
 * controllers. PodSecurity restricted is enforced by the API server itself as the second judge.
 */

const { plane, core, folder, registry, create, patchPod } = await startTableBed(t)

void t.test("what earlier plugins worked out of another class is worked out anew of the row's", async (t) => {
  const run = await plane.kubectl(['run', 'bare', '--image=nginx', '-n', namespace])
  t.equal(run.code, 0, run.stderr)
  const bare = await core.readNamespacedPod({ namespace, name: 'bare' })
  t.match(bare.spec, { priorityClassName: 'ai-agents', priority: 1000, preemptionPolicy: 'Never' })
  t.same(bare.metadata?.labels, { run: 'bare' }, 'a selector may use it')

  const placed = await create(agentPod('placed', {}, { priorityClassName: 'system-node-critical' }))
  t.match(placed.spec, {
    priorityClassName: 'ai-agents',
    priority: 1000,
    runtimeClassName: 'sandbox',
    overhead: { cpu: '10m', memory: '8Mi' },
    serviceAccountName: 'agents',
    automountServiceAccountToken: false,
  })
  t.same(
    placed.spec?.volumes?.filter(({ projected }) => projected),
    [],
  )
  const again = await create(
    agentPod('placed', {}, { priorityClassName: 'ai-agents', runtimeClassName: 'sandbox' }),
  )
  t.match(again.spec, { priority: 1000, overhead: { cpu: '10m' } }, 'of the same class it stays')
})

void t.test('node affinity goes into every term; tolerations and spread are added', async (t) => {
  const affinity = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] },
          { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] },
        ],
      },
    },
  }
  const tolerations = [{ key: 'mine', operator: 'Exists' }]
  const { spec } = await create(agentPod('placed', {}, { affinity, tolerations }))
  const wanted = { key: 'workload-type', operator: 'In', values: ['ai-agents'] }
  const terms =
    spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  t.same(
    terms?.map((term) => term.matchExpressions?.at(-1)),
    [wanted, wanted],
  )
  t.equal(terms?.[0]?.matchExpressions?.length, 2)
  t.match(
    spec?.tolerations?.map(({ key }) => key).filter((key) => !key?.startsWith('node.kubernetes.io/')),
    ['mine', 'workload-type'],
  )
  t.match(spec?.topologySpreadConstraints, [{ labelSelector: { matchLabels: { 'agent-type': 'placed' } } }])
})

void t.test(
  "a LimitRange's defaults are nobody's wish; the author's own is kept within the range",
  async (t) => {
    const limitsOf = (pod: V1Pod) => pod.spec?.containers[0]?.resources
    const silent = await create(agentPod('ranged'))
    t.match(
      silent.metadata?.annotations?.['kubernetes.io/limit-ranger'],
      /cpu, memory limit for container agent/,
    )
    t.match(limitsOf(silent), { requests: { cpu: '100m' }, limits: { cpu: '1', memory: '1Gi' } })
    const asking = await create(
      agentPod('ranged', { resources: { limits: { cpu: '1500m', memory: '3Gi' } } }),
    )
    t.match(limitsOf(asking), { limits: { cpu: '1500m', memory: '1Gi' } }, 'memory has no range')
    const greedy = await refusal(create(agentPod('ranged', { resources: { limits: { cpu: '4' } } })))
    t.match(greedy, /GRN_POLICY_VIOLATION.*resources\.limits\.cpu.*50m to 2.*resource-range/)
    const name = silent.metadata?.name ?? ''
    const resize = (cpu: string) =>
      patchPod(name, 'resize', { containers: [{ name: 'agent', resources: { limits: { cpu } } }] })
    const allowed = await resize('1800m')
    t.equal(allowed.code, 0, allowed.stderr)
    t.match((await resize('3')).stderr, /resource-range/)
  },
)

void t.test('a token only where the row allows one, and images only as it says', async (t) => {
  const token = await create(agentPod('token'))
  t.equal(token.spec?.volumes?.filter(({ projected }) => projected).length, 1)
  t.match(
    token.spec?.containers[0]?.volumeMounts?.map(({ mountPath }) => mountPath),
    /serviceaccount/,
  )
  t.match(await refusal(create(agentPod('pinned'))), /images/)
  t.match(await refusal(create(agentPod('pinned', { image: 'ghcr.io/acme/x:1' }))), /digest/)
  const image = `ghcr.io/acme/x@sha256:${'a'.repeat(64)}`
  t.equal(await refusal(create(agentPod('pinned', { image }))), '')
})

void t.test("a volume's image is judged as an image, and a device needs the row's word", async (t) => {
  const image = `ghcr.io/acme/x@sha256:${'a'.repeat(64)}`
  const withTools = (reference: string) =>
    agentPod('pinned', { image }, { volumes: [{ name: 'tools', image: { reference } }] })
  t.match(
    await refusal(create(withTools('evil.example/tools:latest'))),
    /GRN_POLICY_VIOLATION.*spec\.volumes\[0\]\.image\.reference is .*evil\.example.*rule images/,
  )
  const allowed = await create(withTools(image))
  t.equal(allowed.spec?.volumes?.find(({ name }) => name === 'tools')?.image?.reference, image)

  const claiming = (agentType: string, claim: object) =>
    agentPod(
      agentType,
      { resources: { claims: [{ name: 'gpu' }] } },
      { resourceClaims: [{ name: 'gpu', ...claim }] },
    )
  const template = { resourceClaimTemplateName: 'one-gpu' }
  t.match(
    await refusal(create(claiming('ranged', template))),
    /resourceClaimTemplateName.*rule resource-claims/,
  )
  t.match(
    await refusal(create(claiming('devices', { resourceClaimName: 'one-gpu' }))),
    /resourceClaimName.*rule resource-claims/,
  )
  const claimed = await create(claiming('devices', template))
  t.match(claimed.spec?.resourceClaims, [{ name: 'gpu', ...template }])
  t.match(claimed.spec?.containers[0]?.resources?.claims, [{ name: 'gpu' }])
  const device = { volumeDevices: [{ name: 'disk', devicePath: '/dev/xvda' }] }
  const disk = { volumes: [{ name: 'disk', persistentVolumeClaim: { claimName: 'c' } }] }
  t.match(await refusal(create(agentPod('ranged', device, disk))), /volumeDevices.*rule refused-fields/)
})

void t.test("every field of the API server's pods is judged, free or refused", async (t) => {
  const { code, stdout, stderr } = await plane.kubectl(['get', '--raw', '/openapi/v3/api/v1'])
  t.equal(code, 0, stderr)
  const fields = fieldsOfPods(stdout)
  t.ok(fields.length > 700, `${fields.length} fields`)
  t.same(differences(fields), [], 'src/admission/rules/pod-fields.ts has the lists')
  t.same(contradictions(), [])
})

void t.test('the Secret that comes with a label cannot be printed by a command of the author', async (t) => {
  const own = { command: ['sh', '-c', 'echo $OPENAI_API_KEY'] }
  const allowed = { image: 'stella-agent:1.0.0' }
  t.match(await refusal(create(agentPod('stella-agent', own))), /images/)
  t.match(
    await refusal(create(agentPod('stella-agent', { ...allowed, ...own }))),
    /spec\.containers\[0\]\.command.*allowed: the image's own.*commands/,
  )
  const exec = { lifecycle: { postStart: { exec: { command: ['env'] } } } }
  t.match(await refusal(create(agentPod('stella-agent', { ...allowed, ...exec }))), /postStart\.exec/)
  t.equal(await refusal(create(agentPod('stella-agent', allowed))), '')
  const echo = { image: 'greenroom:0.1.0', command: ['node', 'src/agent/echo-agent.ts'] }
  t.equal(await refusal(create(agentPod('echo-agent', echo))), '', 'the row names this command')
})

void t.test('what a pod may not take for itself', async (t) => {
  const claim = (storage: string) => ({
    name: 'scratch',
    ephemeral: {
      volumeClaimTemplate: {
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
      },
    },
  })
  const containers = Array.from({ length: 60 }, (_, n) => ({
    name: n === 0 ? 'agent' : `c${n}`,
    image: 'x:1',
  }))
  const refused: readonly (readonly [string, Partial<V1Pod['spec']>])[] = [
    ['node-name', { nodeName: 'control-plane-1' }],
    ['system-priority', { priorityClassName: 'system-cluster-critical' }],
    ['allowed-tolerations', { tolerations: [{ operator: 'Exists' }] }],
    ['ephemeral-claims', { volumes: [claim('100Ti')] }],
    ['container-count', { containers }],
    [
      'root-init-containers',
      { initContainers: [{ name: 'i', image: 'x:1', securityContext: { runAsUser: 0 } }] },
    ],
  ]
  for (const [rule, spec] of refused) {
    t.match(await refusal(create(agentPod('ranged', {}, spec))), new RegExp(`rule ${rule}\\)`), rule)
  }
  const { spec } = await create(
    agentPod('ranged', {}, { securityContext: { supplementalGroups: [0, 6] }, volumes: [claim('1Gi')] }),
  )
  t.notOk(spec?.securityContext?.supplementalGroups)
})

void t.test(
  'an author hears of each value that is replaced, and a second apply is explained by it',
  async (t) => {
    const apply = async (name: string, spec: object, agentType = 'placed') => {
      const metadata = { name, namespace, labels: { 'agent-type': agentType } }
      return plane.kubectl(['apply', '-f', '-'], {
        input: stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec }),
      })
    }
    const container = { name: 'agent', image: 'a:1' }
    const plain = await apply('plain', { containers: [container] })
    t.equal(plain.code, 0, plain.stderr)
    t.notMatch(
      plain.stderr,
      /Warning/,
      "not of a LimitRange's, the default class's or Kubernetes' own defaults",
    )
    t.match((await apply('plain', { containers: [container] })).stdout, /unchanged/)

    const spec = {
      priorityClassName: 'standard',
      containers: [{ ...container, resources: { limits: { memory: '4Gi' } } }],
    }
    const first = await apply('wishes', spec)
    t.equal(first.code, 0, first.stderr)
    const lines = first.stderr.split('\n').filter((line) => line.startsWith('Warning'))
    t.match(lines, [
      /^Warning: spec\.(containers\[agent\]\.resources\.limits\.memory: was "?4Gi"?, becomes "?1Gi"?|priorityClassName)/,
      /^Warning: spec\.(priorityClassName: was "standard", becomes "ai-agents"\..*\(rule priority-class\)|containers)/,
    ])
    t.equal(lines.length, 2, first.stderr)
    const second = await apply('wishes', spec)
    t.not(second.code, 0)
    t.match(second.stderr, /pod updates may not change fields/)
  },
)

void t.test('what the API server would refuse for its own reasons is refused with ours', async (t) => {
  const privileged = { privileged: true, allowPrivilegeEscalation: false }
  t.match(await refusal(create(agentPod('ranged', { securityContext: privileged }))), /GRN_POLICY_VIOLATION/)
  const added = { capabilities: { add: ['SYS_ADMIN'] } }
  t.match(await refusal(create(agentPod('ranged', { securityContext: added }))), /GRN_.*capabilities/)
  const windows = await refusal(create(agentPod('ranged', {}, { os: { name: 'windows' } })))
  t.match(windows, /denied the request: GRN_POLICY_VIOLATION: spec\.os\.name is \W+windows/)
})

void t.test(
  'a debug container without a security context is hardened; nothing else of it is touched',
  async (t) => {
    const pod = await create(agentPod('ranged'))
    const name = pod.metadata?.name ?? ''
    const added = await patchPod(name, 'ephemeralcontainers', {
      ephemeralContainers: [{ name: 'debug', image: 'busybox:1', securityContext: { runAsUser: 4711 } }],
    })
    t.equal(added.code, 0, added.stderr)
    const after = await core.readNamespacedPod({ namespace, name })
    const [debug] = after.spec?.ephemeralContainers ?? []
    t.match(debug?.securityContext, {
      runAsNonRoot: true,
      runAsUser: 4711,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    })
    t.notOk(debug?.volumeMounts)
    t.same(debug?.resources, {})
    const root = await patchPod(name, 'ephemeralcontainers', {
      ephemeralContainers: [{ name: 'root', image: 'busybox:1', securityContext: { privileged: true } }],
    })
    t.match(root.stderr, /GRN_POLICY_VIOLATION.*privileged/)
  },
)

void t.test("after another webhook's injection everything is as the table wants it", async (t) => {
  const body = labelled(agentPod('ranged'), { mesh: 'enabled' })
  const { spec, metadata } = await create(body)
  t.equal(metadata?.annotations?.['mesh/status'], 'injected')
  const [agent, proxy] = spec?.containers ?? []
  t.equal(agent?.env?.[0]?.name, 'MESH')
  t.equal(agent?.env?.filter(({ name }) => name === 'GREENROOM_POD_UID').length, 1)
  t.equal(proxy?.name, 'mesh-proxy')
  t.match(proxy?.securityContext, { readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
  t.match(proxy?.resources?.limits, { cpu: '250m', memory: '256Mi' })
  t.same(
    proxy?.volumeMounts?.map(({ mountPath }) => mountPath),
    ['/etc/mesh', '/tmp'],
  )
  t.equal(spec?.volumes?.find(({ name }) => name === 'mesh')?.emptyDir?.sizeLimit, '256Mi')
})

void t.test("Greenroom's account serves the shapes of the manifests and no other", async (t) => {
  const { stdout } = await plane.kubectl(['kustomize', join(root, 'manifests/base')])
  const templates = parseAllDocuments(stdout)
    .map(
      (document) =>
        document.toJS() as { kind: string; metadata: { namespace?: string }; spec: { template: V1Pod } },
    )
    .filter(({ kind, metadata }) => /^(Deployment|Job)$/.test(kind) && metadata.namespace === namespace)
  t.equal(templates.length, 2, 'the session server and the migration')
  const podOf = (template: V1Pod): V1Pod => {
    const pod = structuredClone(template)
    if (pod.metadata) pod.metadata.generateName = 'c-'
    return pod
  }
  for (const { kind, spec } of templates) t.equal(await refusal(create(podOf(spec.template))), '', kind)
  const server = podOf(templates[0]?.spec.template as V1Pod)
  const changed = (container: Partial<V1Container>, spec: Partial<V1Pod['spec']> = {}): V1Pod => {
    const pod = structuredClone(server)
    Object.assign(pod.spec?.containers[0] ?? {}, container)
    Object.assign(pod.spec ?? {}, spec)
    return pod
  }
  const env = server.spec?.containers[0]?.env ?? []
  const evil: Partial<V1Container>[] = [
    { command: ['sh', '-c', 'cat /etc/greenroom/assign-key/keys.json'] },
    { args: ['-e', 'require("fs")'] },
    { env: [...env, { name: 'NODE_OPTIONS', value: '--import=data:text/javascript,0' }] },
    {
      env: env.map((entry) =>
        entry.name === 'DATABASE_URL' ? { name: 'DATABASE_URL', value: 'postgres://me' } : entry,
      ),
    },
    { lifecycle: { postStart: { exec: { command: ['sh'] } } } },
    { livenessProbe: { exec: { command: ['sh'] } } },
    { volumeMounts: [{ name: 'tmp', mountPath: '/app/src' }] },
    { workingDir: '/tmp' },
  ]
  for (const container of evil) {
    t.match(
      await refusal(create(changed(container))),
      /component-shape/,
      JSON.stringify(container).slice(0, 60),
    )
  }
  const init = {
    name: 'i',
    image: 'greenroom:0.1.0',
    securityContext: server.spec?.containers[0]?.securityContext,
  } as V1Container
  t.match(await refusal(create(changed({}, { initContainers: [init] }))), /component-shape/)
  for (const image of [
    'evil:1',
    'greenroom:5000/evil/rootkit:1',
    'evil/greenroom:1',
    'greenroom.evil.example/x',
  ]) {
    t.match(await refusal(create(changed({ image }))), /service-account/, image)
  }
})

void t.test(
  'in a namespace of the roll-out nothing is changed or denied, but told; pools are treated in full',
  async (t) => {
    const bad = await plane.kubectl(['run', 'bad', '--image=nginx', '-n', 'trial', '--privileged'])
    t.equal(bad.code, 0, bad.stderr)
    t.match(bad.stderr, /Warning: not enforced in namespace trial: GRN_POLICY_VIOLATION: .*privileged/)
    t.match(bad.stderr, /Warning: not enforced in namespace trial: Greenroom would change/)
    const pod = await core.readNamespacedPod({ namespace: 'trial', name: 'bad' })
    t.notOk(pod.metadata?.annotations?.['greenroom.dev/policy-version'])
    const stolen = labelled(agentPod('ranged'), { 'greenroom.dev/pool': 'ranged' })
    t.match(await refusal(create(stolen, 'trial')), /GRN_LABEL_OWNERSHIP/, 'its labels stay its own')
    const kubeConfig = new KubeConfig()
    kubeConfig.loadFromFile(await plane.kubeconfigFor(greenroomUser, ['system:masters']))
    const pooled = await kubeConfig.makeApiClient(CoreV1Api).createNamespacedPod({
      namespace: 'trial',
      body: stolen,
    })
    t.equal(pooled.spec?.containers[0]?.securityContext?.readOnlyRootFilesystem, true)
    t.match(
      await registry.metrics(),
      /violations_total\{rule="privileged",code="GRN_POLICY_VIOLATION",mode="audit"\} 1/,
    )
  },
)

void t.test('a rule that warns lets the pod be, and says so', async (t) => {
  const path = join(folder.path, 'slow.yaml')
  const { spec } = agentPod('ranged', {}, { terminationGracePeriodSeconds: 300 })
  const metadata = { name: 'slow', labels: { 'agent-type': 'ranged' } }
  await writeFile(path, stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec }))
  const { code, stderr } = await plane.kubectl(['create', '-n', namespace, '-f', path])
  t.equal(code, 0, stderr)
  t.match(stderr, /Warning: GRN_POLICY_VIOLATION: spec\.terminationGracePeriodSeconds is 300; allowed: 30/)
  t.equal(
    (await core.readNamespacedPod({ namespace, name: 'slow' })).spec?.terminationGracePeriodSeconds,
    300,
  )
})

const skip = withoutControllerManager(plane)

void t.test('pods of Deployments, ReplicaSets and Jobs stay theirs', { skip }, async (t) => {
  const program = await startControllerManager(plane, folder.path, [
    'deployment-controller',
    'replicaset-controller',
    'job-controller',
  ])
  t.teardown(() => program.stop())
  const apps = plane.admin().makeApiClient(AppsV1Api)
  const batch = plane.admin().makeApiClient(BatchV1Api)
  const labels = (name: string) => ({ owner: name, 'agent-type': 'placed' })
  const workload = (name: string) => ({
    metadata: { name },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels(name) },
      template: {
        metadata: { labels: labels(name) },
        spec: { containers: [{ name: 'agent', image: 'a:1' }] },
      },
    },
  })
  await apps.createNamespacedDeployment({ namespace, body: workload('deployment') })
  await apps.createNamespacedReplicaSet({ namespace, body: workload('replicaset') })
  const { template } = workload('job').spec
  await batch.createNamespacedJob({
    namespace,
    body: {
      metadata: { name: 'job' },
      spec: { template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } },
    },
  })
  for (const owner of ['deployment', 'replicaset', 'job']) {
    const pod = await until(
      `the pod of ${owner}`,
      async () => (await core.listNamespacedPod({ namespace, labelSelector: `owner=${owner}` })).items[0],
    )
    t.match(pod.spec, { priority: 1000, serviceAccountName: 'agents' }, owner)
    t.match(pod.metadata?.labels, { ...labels(owner), app: 'conversational-ai-agent' })
    t.equal(pod.metadata?.ownerReferences?.[0]?.controller, true)
  }
  // Counted once the controller has seen its pod and kept it.
  await until(
    'the ReplicaSet counts its pod',
    async () =>
      (await apps.readNamespacedReplicaSet({ namespace, name: 'replicaset' })).status
        ?.fullyLabeledReplicas === 1,
  )
  t.equal((await core.listNamespacedPod({ namespace, labelSelector: 'owner=replicaset' })).items.length, 1)
})

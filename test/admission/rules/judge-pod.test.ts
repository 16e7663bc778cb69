import t from 'tap'
import type { Container, Pod } from '../../../src/admission/pod/pod.ts'
import { mutated, violationsIn } from '../pod-creation.ts'
import {
  acceptedPolicy,
  inForce,
  inForceOf,
  policy,
  policyTextOf,
  samplePod,
  serverEnv,
  tokenVolume,
} from '../pod-samples.ts'

const hardened = (): Pod => mutated(samplePod(), inForce)
const rulesOf = (pod: Pod): string[] => violationsIn(pod, inForce).map(({ rule }) => rule)

const { requests, limits } = policy.defaults.sidecar
const sidecar = { requests, limits }
const claimOf = (name: string, storage: string) => ({
  name,
  ephemeral: { volumeClaimTemplate: { spec: { resources: { requests: { storage } } } } },
})

type Agent = Record<string, unknown> & { securityContext: Record<string, unknown>; env: unknown[] }
type Spec = Record<string, unknown> & { volumes: unknown[]; securityContext: Record<string, unknown> }

/** A hardened pod with one thing changed. */
function changed(change: (parts: { spec: Spec; agent: Agent; labels: Record<string, string> }) => void): Pod {
  const pod = structuredClone(hardened())
  const spec = pod.spec as unknown as Spec
  change({ spec, agent: pod.spec.containers[0] as unknown as Agent, labels: pod.metadata?.labels ?? {} })
  return pod
}

void t.test('what the mutator makes passes', async (t) => {
  t.same(violationsIn(hardened(), inForce), [])
})

void t.test('one thing wrong is one violation, with rule and path', async (t) => {
  const s = 'spec.containers[0].securityContext'
  const cases: readonly (readonly [string, string, Parameters<typeof changed>[0]])[] = [
    ['privileged', `${s}.privileged`, ({ agent }) => (agent.securityContext.privileged = true)],
    ['host-namespaces', 'spec.hostPID', ({ spec }) => (spec.hostPID = true)],
    ['host-ports', 'spec.containers[0].ports[0].hostPort', ({ agent }) => (agent.ports = [{ hostPort: 80 }])],
    [
      'volume-kinds',
      'spec.volumes[1].hostPath',
      ({ spec }) => spec.volumes.push({ name: 'h', hostPath: { path: '/' } }),
    ],
    [
      'volume-kinds',
      'spec.volumes[1].tomorrow',
      ({ spec }) => spec.volumes.push({ name: 'h', tomorrow: {} }),
    ],
    ['capabilities-drop', `${s}.capabilities.drop`, ({ agent }) => (agent.securityContext.capabilities = {})],
    [
      'capabilities-add',
      `${s}.capabilities.add`,
      ({ agent }) => (agent.securityContext.capabilities = { drop: ['ALL'], add: ['SYS_ADMIN'] }),
    ],
    [
      'seccomp',
      `${s}.seccompProfile.type`,
      ({ agent }) => (agent.securityContext.seccompProfile = { type: 'Unconfined' }),
    ],
    ['run-as-non-root', `${s}.runAsNonRoot`, ({ agent }) => (agent.securityContext.runAsNonRoot = false)],
    ['run-as-user', `${s}.runAsUser`, ({ agent }) => (agent.securityContext.runAsUser = 0)],
    [
      'privilege-escalation',
      `${s}.allowPrivilegeEscalation`,
      ({ agent }) => (agent.securityContext.allowPrivilegeEscalation = true),
    ],
    ['proc-mount', `${s}.procMount`, ({ agent }) => (agent.securityContext.procMount = 'Unmasked')],
    [
      'sysctls',
      'spec.securityContext.sysctls[0].name',
      ({ spec }) => (spec.securityContext.sysctls = [{ name: 'kernel.msgmax', value: '1' }]),
    ],
    [
      'selinux',
      `${s}.seLinuxOptions.type`,
      ({ agent }) => (agent.securityContext.seLinuxOptions = { type: 'spc_t' }),
    ],
    [
      'apparmor',
      `${s}.appArmorProfile.type`,
      ({ agent }) => (agent.securityContext.appArmorProfile = { type: 'Unconfined' }),
    ],
    [
      'windows-host-process',
      'spec.securityContext.windowsOptions.hostProcess',
      ({ spec }) => (spec.securityContext.windowsOptions = { hostProcess: true }),
    ],
    [
      'probe-host',
      'spec.containers[0].startupProbe.httpGet.host',
      ({ agent }) => (agent.startupProbe = { httpGet: { host: '169.254.169.254', port: 80 } }),
    ],
    [
      'read-only-root',
      `${s}.readOnlyRootFilesystem`,
      ({ agent }) => (agent.securityContext.readOnlyRootFilesystem = false),
    ],
    ['user-ids', `${s}.runAsUser`, ({ agent }) => (agent.securityContext.runAsUser = 4711)],
    ['user-ids', 'spec.securityContext.fsGroup', ({ spec }) => (spec.securityContext.fsGroup = 5)],
    [
      'user-ids',
      'spec.securityContext.supplementalGroups',
      ({ spec }) => (spec.securityContext.supplementalGroups = [0, 6]),
    ],
    [
      'root-init-containers',
      'spec.initContainers[0].securityContext.runAsUser',
      ({ spec }) => {
        const [agent] = structuredClone(hardened()).spec.containers
        const { env: _env, ...init } = { ...agent, name: 'init' } as Container
        const { livenessProbe: _live, readinessProbe: _ready, ...bare } = init
        const security = { ...bare.securityContext, runAsUser: 0 }
        spec.initContainers = [{ ...bare, resources: sidecar, securityContext: security }]
      },
    ],
    ['node-name', 'spec.nodeName', ({ spec }) => (spec.nodeName = 'control-plane-1')],
    [
      'system-priority',
      'spec.priorityClassName',
      ({ spec }) => (spec.priorityClassName = 'system-cluster-critical'),
    ],
    [
      'allowed-tolerations',
      'spec.tolerations[0]',
      ({ spec }) => (spec.tolerations = [{ operator: 'Exists' }]),
    ],
    [
      'allowed-tolerations',
      'spec.tolerations[1]',
      ({ spec }) =>
        (spec.tolerations = [
          {
            key: 'node.kubernetes.io/not-ready',
            operator: 'Exists',
            effect: 'NoExecute',
            tolerationSeconds: 300,
          },
          { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoSchedule' },
        ]),
    ],
    [
      'container-count',
      'spec.containers',
      ({ spec, agent }) => {
        const { livenessProbe: _live, readinessProbe: _ready, env: _env, ...bare } = agent
        const others = Array.from({ length: 10 }, (_, n) => ({ ...bare, name: `c${n}`, resources: sidecar }))
        spec.containers = [{ ...agent, name: 'agent' }, ...others]
      },
    ],
    [
      'ephemeral-claims',
      'spec.volumes[2].ephemeral.volumeClaimTemplate.spec.resources.requests.storage',
      ({ spec }) => spec.volumes.push(claimOf('a', '6Gi'), claimOf('b', '6Gi')),
    ],
    [
      'secret-references',
      'spec.volumes[1].csi.volumeAttributes[secretName]',
      ({ spec }) =>
        spec.volumes.push({
          name: 'c',
          csi: {
            driver: 'file.csi.azure.com',
            volumeAttributes: { secretName: 'x', secretNamespace: 'ai-agents' },
          },
        }),
    ],
    [
      'resources',
      'spec.containers[0].resources.limits',
      ({ agent }) =>
        (agent.resources = { ...(agent.resources as object), limits: { cpu: '4', memory: '2Gi' } }),
    ],
    ['resources', 'spec.resources', ({ spec }) => (spec.resources = { limits: { cpu: '8' } })],
    ['probes', 'spec.containers[0].livenessProbe', ({ agent }) => delete agent.livenessProbe],
    [
      'service-account-token',
      'spec.automountServiceAccountToken',
      ({ spec }) => (spec.automountServiceAccountToken = true),
    ],
    ['projected-token', 'spec.volumes[1].projected', ({ spec }) => spec.volumes.push(tokenVolume)],
    [
      'secret-references',
      'spec.volumes[1].secret.secretName',
      ({ spec }) => spec.volumes.push({ name: 's', secret: { secretName: 'greenroom-assign-key' } }),
    ],
    [
      'secret-references',
      'spec.volumes[1].projected.sources[0].secret.name',
      ({ spec }) => spec.volumes.push({ name: 's', projected: { sources: [{ secret: { name: 'x' } }] } }),
    ],
    [
      'secret-references',
      'spec.containers[0].env[X].valueFrom.secretKeyRef.name',
      ({ agent }) => agent.env.push({ name: 'X', valueFrom: { secretKeyRef: { name: 'x', key: 'k' } } }),
    ],
    ['injected-env', 'spec.containers[0].env[GREENROOM_ASSIGN_KEYS]', ({ agent }) => agent.env.shift()],
    [
      'injected-env',
      'spec.containers[0].env[GREENROOM_POD_UID]',
      ({ agent }) => agent.env.push({ name: 'GREENROOM_POD_UID', value: 'forged' }),
    ],
    ['writable-paths', 'spec.containers[0].volumeMounts', ({ agent }) => (agent.volumeMounts = [])],
    [
      'grace-period',
      'spec.terminationGracePeriodSeconds',
      ({ spec }) => (spec.terminationGracePeriodSeconds = 600),
    ],
    ['app-label', 'metadata.labels[app]', ({ labels }) => delete labels.app],
    ['operating-system', 'spec.os.name', ({ spec }) => (spec.os = { name: 'windows' })],
    [
      'service-account',
      'spec.serviceAccountName',
      ({ spec }) => (spec.serviceAccountName = 'session-management-sa'),
    ],
  ]
  for (const [rule, path, change] of cases) {
    t.match(violationsIn(changed(change), inForce), [{ rule, path }], `${rule} at ${path}`)
    t.equal(rulesOf(changed(change)).length, 1, `nothing but ${rule}`)
  }
})

void t.test(
  'init and debug containers are judged like any other, as far as the API lets them comply',
  async (t) => {
    const bare: Container = { name: 'other', image: 'stella-agent:1' }
    t.ok(rulesOf(changed(({ spec }) => (spec.initContainers = [bare]))).includes('resources'))
    const debug = changed(({ spec }) => (spec.ephemeralContainers = [bare]))
    t.same(rulesOf(debug), ['capabilities-drop', 'privilege-escalation'])
  },
)

void t.test('an unknown type is named, and so are the types there are', async (t) => {
  for (const name of ['nobody', 'constructor', '__proto__', '']) {
    const labels = Object.fromEntries([['agent-type', name]])
    const [violation] = violationsIn(samplePod({ labels }), inForce)
    t.match(violation, { code: 'GRN_AGENT_TYPE_UNKNOWN', found: JSON.stringify(name), allowed: /echo-agent/ })
  }
})

void t.test('several containers of an agent need one called agent; a plain pod does not', async (t) => {
  const containers: Container[] = ['a', 'b'].map((name) => ({ name, image: 'greenroom:1' }))
  const judge = (labels: Record<string, string>): string[] =>
    rulesOf(mutated(samplePod({ labels, spec: { containers } }), inForce))
  t.same(judge({ 'agent-type': 'echo-agent' }), ['agent-container'])
  t.same(judge({}), [])
})

void t.test(
  "Greenroom's own pods must be restricted, not agents; other images get no use of their account",
  async (t) => {
    const component = (image: string): Pod =>
      samplePod({
        labels: {
          app: 'session-management-server',
          'greenroom.dev/component': 'session-management-server',
        },
        container: {
          image,
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          env: serverEnv,
        },
        spec: {
          serviceAccountName: 'session-management-sa',
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        },
      })
    t.same(rulesOf(component('greenroom:1')), [])
    t.ok(rulesOf(mutated(component('evil:1'), inForce)).includes('service-account'))
    t.same(
      rulesOf(
        samplePod({
          labels: {},
          container: { image: 'greenroom:1' },
          spec: { serviceAccountName: 'session-management-sa' },
        }),
      ).includes('privilege-escalation'),
      true,
    )
  },
)

void t.test("the release whose standard is enforced is the policy's choice", async (t) => {
  const judge = (version: string): string[] => {
    const { defaults } = inForce.policy
    const policy = { ...inForce.policy, defaults: { ...defaults, podSecurity: { version } } }
    const probed = changed(({ agent }) => (agent.startupProbe = { httpGet: { host: '10.0.0.1', port: 80 } }))
    return violationsIn(probed, { ...inForce, policy }).map(({ rule }) => rule)
  }
  t.same(judge('v1.33'), [])
  t.same(judge('v1.34'), ['probe-host'])
  t.same(judge('latest'), ['probe-host'])
})

void t.test('bounds that a row widens', async (t) => {
  const base = policyTextOf('base/agent-policy.yaml').replace(
    'memory: 2Gi }',
    'memory: 2Gi, nvidia.com/gpu: 1 }',
  )
  const text = base.replace(
    'images: { allowed: [stella-agent] }',
    `images: { allowed: [stella-agent] }
    securityContext: { supplementalGroups: [2000], supplementalGroupsPolicy: Strict }
    priorityClassName: system-node-critical
    maxContainers: 1
    ephemeralClaims: { maxSize: 1Gi, storageClasses: [fast] }
    tolerations: [{ key: own, operator: Exists }]
    allowedTolerations:
      - { key: spot, operator: Exists, effect: NoSchedule }
      - { key: gpu, value: a100 }
      - { key: drain, operator: Exists, effect: NoExecute, tolerationSeconds: 60 }`,
  )
  const within = inForceOf(acceptedPolicy(text))
  const found = (spec: Partial<Pod['spec']> & object): string[] =>
    violationsIn(mutated(samplePod({ spec }), within), within).map(({ rule }) => rule)
  const tolerating = (toleration: object): string[] => found({ tolerations: [toleration] })
  for (const toleration of [
    { key: 'spot', value: 'x', effect: 'NoSchedule' },
    { key: 'spot', operator: 'Exists', effect: 'NoSchedule' },
    { key: 'gpu', value: 'a100', effect: 'NoExecute' },
    { key: 'drain', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
    { key: 'own', operator: 'Exists' },
    { key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' },
    { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  ]) {
    t.same(tolerating(toleration), [], JSON.stringify(toleration))
  }
  for (const toleration of [
    { key: 'spot', operator: 'Exists' },
    { key: 'gpu', operator: 'Exists' },
    { key: 'amd.com/gpu', operator: 'Exists', effect: 'NoSchedule' },
    { key: 'gpu', value: 'h100' },
    { key: 'drain', operator: 'Exists', effect: 'NoExecute' },
    { operator: 'Exists', effect: 'NoSchedule' },
  ]) {
    t.same(tolerating(toleration), ['allowed-tolerations'], JSON.stringify(toleration))
  }
  t.same(found({ volumes: [claimOf('v', '1Gi')] }), ['ephemeral-claims'], 'no class is named')
  const { spec } = mutated(
    samplePod({ spec: { securityContext: { supplementalGroups: [0, 2000, 1000] } } }),
    within,
  )
  t.match(spec.securityContext, { supplementalGroups: [2000, 1000], supplementalGroupsPolicy: 'Strict' })
  t.equal(spec.priorityClassName, 'system-node-critical', 'the row names it')
})

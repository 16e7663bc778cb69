import fc from 'fast-check'
import type { Pod } from '../../src/admission/pod/pod.ts'
import { tokenVolume } from './pod-samples.ts'

/** Random pods: sane, odd and hostile parts together, with fields that this version has never heard of. */

const rarely = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 3 })
/** Optional fields are left out, never undefined: JSON has no undefined. */
const record = <T extends object>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> =>
  fc.record(shape, { requiredKeys: [], noNullPrototype: true }) as fc.Arbitrary<Partial<T>>

const name = fc.constantFrom('agent', 'sidecar', 'shipper', 'x')
const quantity = fc.constantFrom('1', '1000m', '250m', '2Gi', '64Mi', '0.5', 1)
const resources = record({
  requests: fc.dictionary(fc.constantFrom('cpu', 'memory', 'ephemeral-storage'), quantity),
  limits: fc.dictionary(fc.constantFrom('cpu', 'memory', 'ephemeral-storage', 'nvidia.com/gpu'), quantity),
  claims: fc.constant([{ name: 'c' }]),
})
const securityContext = record({
  privileged: fc.boolean(),
  allowPrivilegeEscalation: fc.boolean(),
  readOnlyRootFilesystem: fc.boolean(),
  runAsNonRoot: fc.boolean(),
  runAsUser: fc.constantFrom(0, 1000, 4711),
  runAsGroup: fc.constantFrom(0, 1000),
  supplementalGroups: fc.subarray([0, 6, 1000, 2000]),
  supplementalGroupsPolicy: fc.constantFrom('Merge', 'Strict'),
  procMount: fc.constantFrom('Default', 'Unmasked'),
  capabilities: record({
    add: fc.subarray(['NET_BIND_SERVICE', 'SYS_ADMIN']),
    drop: fc.subarray(['ALL', 'CHOWN']),
  }),
  seccompProfile: record({ type: fc.constantFrom('RuntimeDefault', 'Localhost', 'Unconfined') }),
  seLinuxOptions: record({ type: fc.constantFrom('container_t', 'spc_t') }),
  futureField: fc.constant('kept'),
})
const env = fc.array(
  fc.oneof(
    fc.record({
      name: fc.constantFrom(
        'A',
        'OPENAI_API_KEY',
        'GREENROOM_POD_UID',
        'GREENROOM_ASSIGN_KEYS',
        'LIVEKIT_TOKEN',
      ),
      value: fc.constantFrom('', 'literal-value', 'sk-very-secret', 'sk-very-secret $(OPENAI_API_KEY)'),
    }),
    fc.record({
      name: fc.constantFrom('S', 'OPENAI_API_KEY'),
      valueFrom: fc.record({
        secretKeyRef: fc.record({ name: fc.constantFrom('agent-secrets', 'other'), key: fc.constant('k') }),
      }),
    }),
  ),
  { maxLength: 4 },
)
const mounts = fc.array(
  fc.record({
    name: fc.constantFrom('kube-api-access-x7k2p', 'data', 'greenroom-tmp', 'greenroom-var-cache-agent'),
    mountPath: fc.constantFrom('/tmp', '/tmp/', '/data', '/var/run/secrets/kubernetes.io/serviceaccount'),
    subPath: fc.constant('s'),
  }),
  { maxLength: 3 },
)
const probe = record({
  httpGet: record({
    path: fc.constant('/x'),
    port: fc.constant(1),
    host: fc.constantFrom('', 'example.org'),
  }),
  periodSeconds: fc.constantFrom(1, 10),
})
const container = fc.record(
  {
    name,
    image: fc.constantFrom(
      'stella:1',
      'greenroom:1',
      'ghcr.io/c4dhi/stella:1',
      `nginx@sha256:${'0'.repeat(64)}`,
    ),
    env,
    // Seldom: in a pod that holds a Secret most commands are refused.
    command: fc.constantFrom<string[]>([], [], [], ['node', 'src/agent/echo-agent.ts'], ['env']),
    envFrom: fc.array(
      fc.record({ secretRef: fc.record({ name: fc.constantFrom('agent-secrets', 'other') }) }),
      {
        maxLength: 1,
      },
    ),
    ports: fc.array(record({ containerPort: fc.constant(8080), hostPort: fc.constantFrom(0, 80) }), {
      maxLength: 1,
    }),
    resources,
    volumeMounts: mounts,
    livenessProbe: probe,
    startupProbe: probe,
    lifecycle: record({ preStop: record({ httpGet: record({ host: fc.constantFrom('', 'h') }) }) }),
    securityContext,
    restartPolicy: fc.constant('Always'),
    futureField: fc.constant({ deep: [1, { kept: true }] }),
  },
  { requiredKeys: ['name'], noNullPrototype: true },
)
const volume = fc.oneof(
  fc.constant(tokenVolume),
  fc.constant({ name: 'data', emptyDir: {} }),
  fc.constant({ name: 'greenroom-tmp', emptyDir: { sizeLimit: '1Gi', medium: 'Memory' } }),
  fc.constant({ name: 'greenroom-tmp', hostPath: { path: '/' } }),
  fc.constant({ name: 'kube-api-access-evil', hostPath: { path: '/' } }),
  fc.constant({ name: 'none' }),
  fc.constant({ name: 'proj', projected: { sources: null } }),
  fc.constant({ name: 'sec', secret: { secretName: 'other' } }),
  fc.constant({ name: 'stella', secret: { secretName: 'stella-keys' } }),
  fc.constant({ name: 'own-token', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }),
  fc.constant({ name: 'greenroom-var-cache-agent', emptyDir: { medium: 'Memory', sizeLimit: '32768Ki' } }),
  fc.constant({ name: 'endless', emptyDir: { sizeLimit: '0' } }),
  fc.constant({ name: 'store', csi: { driver: 'd', volumeAttributes: { secretProviderClass: 'p' } } }),
  fc.constant({ name: 'published', csi: { driver: 'd', nodePublishSecretRef: { name: 'other' } } }),
  fc.constant({ name: 'parts', projected: { sources: [{ secret: { name: 'other' } }] } }),
  fc.constant({ name: 'claim', persistentVolumeClaim: { claimName: 'c' } }),
  fc.constant({
    name: 'scratch',
    ephemeral: {
      volumeClaimTemplate: {
        spec: { storageClassName: 'slow', resources: { requests: { storage: '8Gi' } } },
      },
    },
  }),
)
const expression = fc.constantFrom(
  { key: 'workload-type', operator: 'In', values: ['ai-agents'] },
  { key: 'zone', operator: 'Exists' },
)
const affinity = record({
  nodeAffinity: record({
    requiredDuringSchedulingIgnoredDuringExecution: fc.record({
      nodeSelectorTerms: fc.oneof(
        fc.constant(null),
        fc.array(
          record({ matchExpressions: fc.array(expression, { maxLength: 2 }), matchFields: fc.constant([]) }),
          {
            maxLength: 3,
          },
        ),
      ),
    }),
    preferredDuringSchedulingIgnoredDuringExecution: fc.constant([]),
  }),
  podAffinity: fc.constant({}),
})
const toleration = fc.constantFrom(
  { key: 'workload-type', operator: 'Equal', value: 'ai-agents', effect: 'NoSchedule' },
  { key: 'workload-type', value: 'ai-agents', effect: 'NoSchedule' },
  { operator: 'Exists' },
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
)
const spread = fc.constantFrom(
  { maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway', minDomains: 2 },
  { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' },
)
/** Scheduling and identity, and what the API server's own plugins leave on a pod. */
const outerSpec = record({
  affinity,
  tolerations: fc.array(toleration, { maxLength: 2 }),
  topologySpreadConstraints: fc.array(spread, { maxLength: 2 }),
  priorityClassName: fc.constantFrom('', 'ai-agents', 'system-node-critical'),
  priority: fc.constant(0),
  preemptionPolicy: fc.constant('PreemptLowerPriority'),
  runtimeClassName: fc.constantFrom('gvisor', 'runc'),
  overhead: fc.constant({ cpu: '1m' }),
  serviceAccount: fc.constant('default'),
  imagePullSecrets: fc.array(fc.record({ name: fc.constantFrom('registry', 'stella-registry') }), {
    maxLength: 1,
  }),
})
const limitRanger = fc.constantFrom(
  'LimitRanger plugin set: cpu, memory request for container agent; cpu limit for container agent',
  'LimitRanger plugin set: memory limit for init container x',
  'nonsense',
)

const innerPod = fc.record({
  metadata: rarely(
    record({
      labels: record({
        'agent-type': fc.constantFrom('stella-agent', 'echo-agent', 'default', 'nobody', 'constructor'),
        app: fc.constantFrom('conversational-ai-agent', 'other'),
        team: fc.constant('blue'),
        'greenroom.dev/pool': fc.constant('echo-agent'),
      }),
      annotations: record({
        'a/b~c': fc.constant('ü€'),
        'kubernetes.io/limit-ranger': limitRanger,
      }),
      managedFields: fc.constant([{ manager: 'm' }]),
    }),
  ),
  spec: fc.record(
    {
      containers: fc.array(container, { minLength: 1, maxLength: 3 }),
      initContainers: fc.array(container, { maxLength: 2 }),
      volumes: fc.uniqueArray(volume, { selector: ({ name: volumeName }) => volumeName, maxLength: 4 }),
      securityContext,
      resources,
      serviceAccountName: fc.constantFrom('default', 'session-management-sa', 'ai-agents'),
      automountServiceAccountToken: fc.boolean(),
      terminationGracePeriodSeconds: fc.constantFrom(0, 30, 600),
      hostNetwork: fc.boolean(),
      os: fc.record({ name: fc.constantFrom('linux', 'windows') }),
      futureField: fc.constant('kept'),
    },
    { requiredKeys: ['containers'], noNullPrototype: true },
  ),
})

export const arbitraryPod: fc.Arbitrary<Pod> = fc
  .tuple(innerPod, outerSpec)
  .map(
    ([{ metadata, spec }, outer]) => ({ ...(metadata && { metadata }), spec: { ...spec, ...outer } }) as Pod,
  )

/** What another webhook may do to a pod that we have mutated: a container, a volume, env, an annotation, a label. */
export function injectedByAnother(pod: Pod): Pod {
  const { containers, initContainers = [], volumes = [] } = pod.spec
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: { ...pod.metadata?.labels, 'mesh/injected': 'true' },
      annotations: { ...pod.metadata?.annotations, 'mesh/status': 'injected' },
    },
    spec: {
      ...pod.spec,
      containers: [
        ...containers.map((given) => ({
          ...given,
          env: [{ name: 'MESH', value: '1' }, ...(given.env ?? [])],
        })),
        {
          name: 'mesh-proxy',
          image: 'ghcr.io/c4dhi/proxy:1',
          volumeMounts: [{ name: 'mesh', mountPath: '/etc/mesh' }],
        },
      ],
      initContainers: [
        { name: 'mesh-init', image: 'ghcr.io/c4dhi/proxy:1', restartPolicy: 'Always' },
        ...initContainers,
      ],
      volumes: [{ name: 'mesh', emptyDir: { medium: 'Memory' } }, ...volumes],
    },
  }
}

import fc from 'fast-check'
import type { Pod } from '../../src/admission/pod.ts'
import { tokenVolume } from './pod-samples.ts'

/** Random pods: sane, odd and hostile parts together, with fields that this version has never heard of. */

const rarely = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 3 })
/** Optional fields are left out, never undefined: JSON has no undefined. */
const record = <T extends object>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> =>
  fc.record(shape, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>

const name = fc.constantFrom('agent', 'sidecar', 'shipper', 'x')
const quantity = fc.constantFrom('1', '1000m', '250m', '2Gi', '64Mi', '0.5', 1)
const resources = record({
  requests: fc.dictionary(fc.constantFrom('cpu', 'memory', 'ephemeral-storage'), quantity),
  limits: fc.dictionary(fc.constantFrom('cpu', 'memory', 'nvidia.com/gpu'), quantity),
  claims: fc.constant([{ name: 'c' }]),
})
const securityContext = record({
  privileged: fc.boolean(),
  allowPrivilegeEscalation: fc.boolean(),
  readOnlyRootFilesystem: fc.boolean(),
  runAsNonRoot: fc.boolean(),
  runAsUser: fc.constantFrom(0, 1000, 4711),
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
      name: fc.constantFrom('A', 'OPENAI_API_KEY', 'GREENROOM_POD_UID', 'GREENROOM_ASSIGN_KEYS'),
      value: fc.constantFrom('', 'literal-value', 'sk-very-secret'),
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
    name: fc.constantFrom('kube-api-access-x7k2p', 'data', 'greenroom-tmp'),
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
    image: fc.constantFrom('stella:1', 'greenroom:1'),
    env,
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
  { requiredKeys: ['name'] },
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
)

export const arbitraryPod: fc.Arbitrary<Pod> = fc
  .record({
    metadata: rarely(
      record({
        labels: record({
          'agent-type': fc.constantFrom('stella-agent', 'echo-agent', 'default', 'nobody', 'constructor'),
          app: fc.constantFrom('conversational-ai-agent', 'other'),
          team: fc.constant('blue'),
        }),
        annotations: fc.constant({ 'a/b~c': 'ü€' }),
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
        serviceAccountName: fc.constantFrom('default', 'session-management-sa'),
        automountServiceAccountToken: fc.boolean(),
        terminationGracePeriodSeconds: fc.constantFrom(0, 30, 600),
        hostNetwork: fc.boolean(),
        os: fc.record({ name: fc.constantFrom('linux', 'windows') }),
        futureField: fc.constant('kept'),
      },
      { requiredKeys: ['containers'] },
    ),
  })
  .map(({ metadata, spec }) => ({ ...(metadata && { metadata }), spec }) as Pod)

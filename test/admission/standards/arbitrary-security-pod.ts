import fc from 'fast-check'

/**
 * Pods around the Pod Security Standards: one that `restricted` allows, with a few fields changed. Nearly all are pods
 * that the API server takes for valid, so that its own PodSecurity gets to judge them; about a third are allowed.
 */

interface Container {
  name: string
  image: string
  securityContext?: Record<string, unknown>
  [field: string]: unknown
}

interface SecurityPod {
  readonly metadata: { annotations: Record<string, string> }
  readonly spec: {
    containers: Container[]
    initContainers: Container[]
    securityContext: Record<string, unknown>
    volumes: object[]
    [field: string]: unknown
  }
}

type Edit = (pod: SecurityPod) => void

const container = (name: string): Container => ({
  name,
  image: 'x:1',
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
})

const goodPod = (): SecurityPod => ({
  metadata: { annotations: {} },
  spec: {
    containers: [container('agent'), container('sidecar')],
    initContainers: [container('fetch')],
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    volumes: [],
  },
})

/** A change to one of the three containers. */
const inContainer = <T>(value: fc.Arbitrary<T>, edit: (container: Container, value: T) => void) =>
  fc.tuple(fc.nat(2), value).map(
    ([which, chosen]): Edit =>
      ({ spec }) => {
        edit([...spec.containers, ...spec.initContainers][which] as Container, chosen)
      },
  )

/** Fields of a container's security context, set together or left out (`undefined`). */
const inContext = (...choices: readonly Record<string, unknown>[]) =>
  inContainer(fc.constantFrom(...choices), (target, fields) => {
    target.securityContext = withoutUndefined({ ...target.securityContext, ...fields })
  })

const onPod = (...choices: readonly Record<string, unknown>[]) =>
  fc.constantFrom(...choices).map(
    (fields): Edit =>
      ({ spec }) => {
        spec.securityContext = withoutUndefined({ ...spec.securityContext, ...fields })
      },
  )

const inSpec = (...choices: readonly Record<string, unknown>[]) =>
  fc.constantFrom(...choices).map(
    (fields): Edit =>
      ({ spec }) =>
        void Object.assign(spec, fields),
  )

const withoutUndefined = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const seccomp = [
  { seccompProfile: undefined },
  { seccompProfile: { type: 'RuntimeDefault' } },
  { seccompProfile: { type: 'Localhost', localhostProfile: 'p.json' } },
  { seccompProfile: { type: 'Unconfined' } },
]
const appArmor = [
  { appArmorProfile: { type: 'RuntimeDefault' } },
  { appArmorProfile: { type: 'Localhost', localhostProfile: 'p' } },
  { appArmorProfile: { type: 'Unconfined' } },
]
const selinux = [
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
  'spc_t',
  'container_T',
]
  .map((type): object => ({ seLinuxOptions: { type } }))
  .concat(
    { seLinuxOptions: {} },
    { seLinuxOptions: { level: 's0' } },
    { seLinuxOptions: { user: 'u' } },
    { seLinuxOptions: { role: 'r', type: '' } },
  ) as Record<string, unknown>[]
const users = [{ runAsUser: 0 }, { runAsUser: 1000 }, { runAsNonRoot: false }, { runAsNonRoot: true }]
const windows = [{ windowsOptions: { hostProcess: false } }, { windowsOptions: {} }]

const capability = fc.constantFrom(
  'NET_BIND_SERVICE',
  'NET_RAW',
  'CHOWN',
  'MKNOD',
  'SYS_TIME',
  'CAP_CHOWN',
  'all',
)
const capabilities = fc.record(
  { add: fc.array(capability, { maxLength: 2 }), drop: fc.subarray(['ALL', 'all', 'CHOWN']) },
  { requiredKeys: [] },
)

const volumes = [
  { emptyDir: {} },
  { configMap: { name: 'c' } },
  { secret: { secretName: 's' } },
  { projected: { sources: [{ configMap: { name: 'c' } }] } },
  { downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.labels' } }] } },
  { persistentVolumeClaim: { claimName: 'c' } },
  { csi: { driver: 'd.example.org' } },
  { image: { reference: 'x:1', pullPolicy: 'Always' } },
  {
    ephemeral: {
      volumeClaimTemplate: {
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      },
    },
  },
  { hostPath: { path: '/' } },
  { nfs: { server: 's', path: '/' } },
  { gitRepo: { repository: 'https://example.org/r.git' } },
  { iscsi: { targetPortal: '127.0.0.1:3260', iqn: 'iqn.2001-04.com.example:storage', lun: 1 } },
  { glusterfs: { endpoints: 'e', path: 'p' } },
  { cephfs: { monitors: ['m'] } },
  { fc: { targetWWNs: ['w'], lun: 1 } },
  { azureFile: { secretName: 's', shareName: 'n' } },
  { awsElasticBlockStore: { volumeID: 'v' } },
  { flexVolume: { driver: 'd/d' } },
  {},
]

const sysctl = fc.constantFrom(
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_notsent_lowat',
  'kernel.msgmax',
)

const host = fc.constantFrom('', '127.0.0.1', '169.254.169.254')
const handler = fc.oneof(
  host.map((name) => ({ httpGet: { port: 80, host: name } })),
  host.map((name) => ({ tcpSocket: { port: 80, host: name } })),
  fc.constant({ exec: { command: ['true'] } }),
)
const probe = fc
  .tuple(fc.nat(1), fc.constantFrom('livenessProbe', 'readinessProbe', 'startupProbe'), handler)
  .map(
    ([which, field, value]): Edit =>
      ({ spec }) => {
        ;(spec.containers[which] as Container)[field] = value
      },
  )
const lifecycle = fc.tuple(fc.nat(1), fc.constantFrom('postStart', 'preStop'), handler).map(
  ([which, field, value]): Edit =>
    ({ spec }) => {
      ;(spec.containers[which] as Container).lifecycle = { [field]: value }
    },
)

const annotation = fc
  .tuple(
    fc.constantFrom(
      'container.apparmor.security.beta.kubernetes.io/agent',
      'container.seccomp.security.alpha.kubernetes.io/agent',
      'seccomp.security.alpha.kubernetes.io/pod',
      'team',
    ),
    fc.constantFrom('runtime/default', 'docker/default', 'localhost/p', 'unconfined', ''),
  )
  .map(
    ([key, value]): Edit =>
      ({ metadata }) => {
        metadata.annotations[key] = value
      },
  )

/** The API refuses Linux fields on such a pod: what is there goes, whatever another change has set. */
const windowsPod = fc.constantFrom({}, { windowsOptions: { hostProcess: true } }).map(
  (context): Edit =>
    ({ spec }) => {
      for (const each of [...spec.containers, ...spec.initContainers]) delete each.securityContext
      Object.assign(spec, { os: { name: 'windows' }, securityContext: { runAsNonRoot: true, ...context } })
      if ('windowsOptions' in context) spec.hostNetwork = true
    },
)

const edit: fc.Arbitrary<Edit> = fc.oneof(
  inContext({ privileged: false }, { privileged: true, allowPrivilegeEscalation: true }),
  inContext({ allowPrivilegeEscalation: undefined }, { allowPrivilegeEscalation: true }),
  inContext(...users),
  inContext(...seccomp),
  inContext(...appArmor),
  inContext(...selinux),
  inContext(...windows),
  inContext({ procMount: 'Default' }, { procMount: 'Unmasked' }),
  inContext({ capabilities: undefined }),
  inContainer(capabilities, (target, value) => {
    target.securityContext = { ...target.securityContext, capabilities: value }
  }),
  inContainer(fc.constant(undefined), (target) => {
    delete target.securityContext
  }),
  inContainer(fc.constantFrom(0, 8080), (target, hostPort) => {
    target.ports = [{ containerPort: 8080, hostPort }]
  }),
  onPod({ runAsNonRoot: undefined }, ...users),
  onPod(...seccomp),
  onPod(...appArmor),
  onPod(...selinux),
  onPod(...windows),
  fc.uniqueArray(sysctl, { maxLength: 2 }).map(
    (names): Edit =>
      ({ spec }) => {
        spec.securityContext.sysctls = names.map((name) => ({ name, value: '0' }))
      },
  ),
  inSpec({ hostPID: true }, { hostIPC: true }, { hostNetwork: true }, { hostPID: false }),
  inSpec({ hostUsers: false }, { hostUsers: true }),
  inSpec({ os: { name: 'linux' } }),
  windowsPod,
  fc.constantFrom(...volumes).map(
    (source): Edit =>
      ({ spec }) => {
        spec.volumes.push({ name: `v${spec.volumes.length}`, ...source })
      },
  ),
  probe,
  lifecycle,
  annotation,
)

export const arbitrarySecurityPod: fc.Arbitrary<SecurityPod> = fc
  .array(edit, { maxLength: 4, size: 'max' })
  .map((edits) => {
    const pod = goodPod()
    for (const change of edits) change(pod)
    return pod
  })

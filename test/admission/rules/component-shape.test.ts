import t from 'tap'
import type { EnvVar, Pod } from '../../../src/admission/pod/pod.ts'
import { validateReview } from '../../../src/admission/review/pod-review.ts'
import { violationsIn } from '../pod-creation.ts'
import { inForce, inForceOf, policy, reviewOf, samplePod, serverEnv, tokenVolume } from '../pod-samples.ts'

/** A pod of the session server as the base policy describes it, with one thing changed. Variables come before the base's. */
function server({ env = [], ...container }: Given = {}, spec: object = {}): Pod {
  const own = new Set(env.map(({ name }) => name))
  return samplePod({
    labels: { app: 'session-management-server', 'greenroom.dev/component': 'session-management-server' },
    container: {
      name: 'session-management-server',
      image: 'greenroom:0.1.0',
      args: ['controller', 'api'],
      env: [...env, ...serverEnv.filter(({ name }) => !own.has(name))],
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      volumeMounts: [
        { name: 'key', mountPath: '/etc/greenroom/assign-key' },
        { name: tokenVolume.name, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
      ],
      ...container,
    },
    spec: {
      serviceAccountName: 'session-management-sa',
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      volumes: [{ name: 'key', secret: { secretName: 'greenroom-assign-key' } }, token()],
      ...spec,
    },
  })
}

interface Given extends Readonly<Record<string, unknown>> {
  readonly env?: readonly EnvVar[]
}

const fromSecret = (name: string, secret: string, key = name) => ({
  name,
  valueFrom: { secretKeyRef: { name: secret, key } },
})
const authority = { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] }
const ownNamespace = { path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }
/** The volume as the ServiceAccount plugin makes it, with one source changed. */
const token = (changed: object = {}, more: object = {}) => {
  const sources = {
    serviceAccountToken: { path: 'token', expirationSeconds: 3607 },
    configMap: authority,
    downwardAPI: { items: [ownNamespace] },
    ...changed,
  }
  return {
    name: tokenVolume.name,
    projected: {
      defaultMode: 420,
      sources: Object.entries(sources).map(([kind, source]) => ({ [kind]: source })),
    },
    ...more,
  }
}
const keyVolume = (source: object, more: object = {}) => ({
  volumes: [{ name: 'key', secret: { secretName: 'greenroom-assign-key', ...source }, ...more }, token()],
})
const judge = (pod: Pod) => violationsIn(pod, inForce)

void t.test('the shape of the row passes', async (t) => {
  t.same(judge(server()), [])
  t.same(
    judge(server({ volumeMounts: [] }, { volumes: [token()] })),
    [],
    'a token that nothing mounts is its own',
  )
  const optional = {
    name: 'LIVEKIT_URL',
    valueFrom: { secretKeyRef: { name: 'session-management-server', key: 'LIVEKIT_URL', optional: true } },
  }
  const fromPod = (valueFrom: object) => ({ name: 'GREENROOM_NAMESPACE', valueFrom })
  t.same(
    judge(
      server({
        env: [
          optional,
          fromPod({ fieldRef: { fieldPath: 'metadata.namespace' } }),
          { name: 'GREENROOM_DRAIN_MS', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
        ],
      }),
    ),
    [],
  )
  t.same(judge(server({}, keyVolume({ defaultMode: 0o440, items: [], optional: false }))), [])
})

void t.test('the migration has an account and a Secret of its own', async (t) => {
  const migration = (secret: string) =>
    samplePod({
      labels: { 'greenroom.dev/component': 'greenroom-migrate' },
      container: {
        name: 'migrate',
        image: 'greenroom:0.1.0',
        args: ['migrate'],
        env: [fromSecret('DATABASE_URL', secret), fromSecret('GREENROOM_DATABASE_ROLE', secret)],
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        volumeMounts: [],
      },
      spec: {
        serviceAccountName: 'greenroom-migrate',
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        volumes: [],
      },
    })
  t.same(judge(migration('greenroom-migrate')), [])
  t.match(judge(migration('session-management-server')), [
    { path: 'spec.containers[0].env[0]' },
    { path: 'spec.containers[0].env[1]' },
  ])
  t.match(judge(server({ args: ['migrate'] })), [{ path: 'spec.containers[0].args' }])
})

void t.test('every reference is compared as a whole', async (t) => {
  const at = 'spec.containers[0]'
  const own = 'session-management-server'
  const plain = (entry: object) => server({ env: [{ name: 'GREENROOM_LOG_LEVEL', ...entry }] })
  const env: readonly (readonly [title: string, pod: Pod])[] = [
    [
      'another key of the Secret',
      server({ env: [fromSecret('LIVEKIT_API_KEY', own, 'GREENROOM_HMAC_SECRET')] }),
    ],
    [
      'a public key for a secret one',
      server({ env: [fromSecret('GREENROOM_API_KEYS', own, 'LIVEKIT_URL')] }),
    ],
    ['two sources', server({ env: [{ ...fromSecret('DATABASE_URL', own), value: 'postgres://mine' }] })],
    ['a ConfigMap', plain({ valueFrom: { configMapKeyRef: { name: 'mine', key: 'x' } } })],
    ['a file', plain({ valueFrom: { fileKeyRef: { volumeName: 'v', path: 'p', key: 'k' } } })],
    [
      'a source of tomorrow',
      plain({ valueFrom: { fieldRef: { fieldPath: 'metadata.name' }, tomorrow: {} } }),
    ],
    ['another variable', plain({ value: 'x$(GREENROOM_HMAC_SECRET)' })],
  ]
  for (const [title, pod] of env) {
    t.match(judge(pod), [{ rule: 'component-shape', path: `${at}.env[0]` }], title)
  }
  const volumes: readonly (readonly [title: string, spec: object])[] = [
    ['items', keyVolume({ items: [{ key: 'other', path: 'keys.json' }] })],
    ['optional', keyVolume({ optional: true })],
    ['a second source', keyVolume({}, { configMap: { name: 'mine' } })],
    ['a field of tomorrow', keyVolume({ tomorrow: true })],
  ]
  for (const [title, spec] of volumes) {
    t.match(judge(server({}, spec)), [{ rule: 'component-shape', path: `${at}.volumeMounts[0]` }], title)
  }
  const tokens: readonly (readonly [title: string, volume: object])[] = [
    ['an audience', token({ serviceAccountToken: { path: 'token', audience: 'mine' } })],
    ['another path', token({ serviceAccountToken: { path: 'ca.crt' } })],
    ['a long life', token({ serviceAccountToken: { path: 'token', expirationSeconds: 86_400 } })],
    [
      'the authority remapped',
      token({ configMap: { ...authority, items: [{ key: 'ca.crt', path: 'token' }] } }),
    ],
    ['another ConfigMap', token({ configMap: { ...authority, name: 'mine' } })],
    [
      'a note of the author as the authority',
      token({ downwardAPI: { items: [{ ...ownNamespace, path: 'ca.crt' }] } }),
    ],
    ['a Secret beside it', token({ secret: { name: 'mine' } })],
    ['another kind beside it', token({}, { emptyDir: {} })],
  ]
  for (const [title, volume] of tokens) {
    const key = { name: 'key', secret: { secretName: 'greenroom-assign-key' } }
    const pod = server({}, { volumes: [key, volume] })
    t.match(judge(pod), [{ rule: 'component-shape', path: `${at}.volumeMounts[1]` }], title)
  }
})

void t.test('every way to borrow its rights is refused', async (t) => {
  const at = 'spec.containers[0]'
  const api = { name: 'GREENROOM_API_URL', value: 'http://mine' }
  const cases: readonly (readonly [path: string, pod: Pod])[] = [
    [`${at}.command`, server({ command: ['node', '-e', '0'] })],
    [`${at}.args`, server({ args: ['controller', 'api', '--import=x'] })],
    [`${at}.args`, server({ args: ['doctor'] })],
    [`${at}.env[0].name`, server({ env: [{ name: 'NODE_OPTIONS', value: '--import=x' }] })],
    [`${at}.env[0].name`, server({ env: [{ name: 'LD_PRELOAD', value: '/tmp/x' }] })],
    [`${at}.env[0]`, server({ env: [{ name: 'DATABASE_URL', value: 'postgres://mine' }] })],
    [`${at}.env[0]`, server({ env: [fromSecret('DATABASE_URL', 'mine')] })],
    [`${at}.env[0]`, server({ env: [fromSecret('GREENROOM_LOG_LEVEL', 'greenroom-assign-key')] })],
    [`${at}.env[0]`, server({ env: [api] })],
    [`${at}.envFrom`, server({ envFrom: [{ configMapRef: { name: 'mine' } }] })],
    [`${at}.workingDir`, server({ workingDir: '/tmp' })],
    [`${at}.tomorrow`, server({ tomorrow: {} })],
    [`${at}.terminationMessagePath`, server({ terminationMessagePath: '/app/src/main.ts' })],
    [`${at}.livenessProbe.exec`, server({ livenessProbe: { exec: { command: ['sh'] } } })],
    [`${at}.lifecycle`, server({ lifecycle: { preStop: { exec: { command: ['sh'] } } } })],
    [`${at}.volumeMounts[0]`, server({ volumeMounts: [{ name: 'key', mountPath: '/app/src' }] })],
    [
      `${at}.volumeMounts[0]`,
      server({ volumeMounts: [{ name: 'key', mountPath: '/etc/greenroom/assign-key', subPath: 'x' }] }),
    ],
    [
      `${at}.volumeMounts[0]`,
      server({}, { volumes: [{ name: 'key', configMap: { name: 'mine' } }, token()] }),
    ],
    [
      `${at}.volumeMounts[1]`,
      server(
        {},
        {
          volumes: [
            { name: 'key', secret: { secretName: 'greenroom-assign-key' } },
            token({ configMap: { name: 'mine' } }),
          ],
        },
      ),
    ],
    ['spec.hostAliases', server({}, { hostAliases: [{ ip: '127.0.0.1', hostnames: ['postgres'] }] })],
    ['spec.dnsConfig', server({}, { dnsConfig: { nameservers: ['127.0.0.1'] } })],
    ['spec.shareProcessNamespace', server({}, { shareProcessNamespace: true })],
  ]
  for (const [path, pod] of cases) t.match(judge(pod), [{ rule: 'component-shape', path }], path)
  const { containers } = server().spec
  const second = { ...containers[0], name: 'second' }
  for (const field of ['initContainers', 'ephemeralContainers']) {
    t.match(judge(server({}, { [field]: [second] })), [{ rule: 'component-shape', path: `spec.${field}` }])
  }
  const two = server({}, { containers: [...containers, second] })
  t.match(judge(two), [{ rule: 'component-shape', path: 'spec.containers' }])
})

void t.test(
  'a variable with a value or a Secret in the row is required, unless it is optional',
  async (t) => {
    const without = (left: string): Pod => {
      const pod = server()
      const [container] = pod.spec.containers
      const env = container?.env?.filter(({ name }) => name !== left) ?? []
      return { ...pod, spec: { ...pod.spec, containers: container ? [{ ...container, env }] : [] } }
    }
    for (const name of ['GREENROOM_API_URL', 'GREENROOM_HMAC_SECRET', 'LIVEKIT_URL']) {
      t.match(judge(without(name)), [
        { rule: 'component-shape', path: `spec.containers[0].env[${name}]`, found: 'unset' },
      ])
    }
    for (const name of ['GREENROOM_OPS_PORT', 'GREENROOM_NAMESPACE']) t.same(judge(without(name)), [])
    for (const [name, value] of [
      ['GREENROOM_NODE_LOST_SECONDS', '1'],
      ['GREENROOM_RETENTION_HOURS', '24'],
    ] as const) {
      t.match(judge(server({ env: [{ name, value }] })), [
        { path: 'spec.containers[0].env[0].name', found: /NODE|RETENTION/ },
      ])
    }
  },
)

void t.test('a volume that nothing mounts is refused, of whatever kind', async (t) => {
  const key = { name: 'key', secret: { secretName: 'greenroom-assign-key' } }
  for (const volume of [
    { secret: { secretName: 'greenroom-migrate' } },
    { csi: { driver: 'd', nodePublishSecretRef: { name: 'greenroom-migrate' } } },
    { persistentVolumeClaim: { claimName: 'mine' } },
    { ephemeral: { volumeClaimTemplate: { spec: { resources: { requests: { storage: '100Ti' } } } } } },
    { emptyDir: {} },
  ]) {
    const pod = server({}, { volumes: [key, token(), { name: 'x', ...volume }] })
    t.match(judge(pod), [{ rule: 'component-shape', path: 'spec.volumes[2]' }], JSON.stringify(volume))
  }
})

void t.test('where it runs and what it pushes aside is bounded by the defaults', async (t) => {
  const cases: readonly (readonly [path: string, spec: object])[] = [
    ['spec.nodeName', { nodeName: 'control-plane-1' }],
    ['spec.priorityClassName', { priorityClassName: 'system-cluster-critical' }],
    ['spec.tolerations[0]', { tolerations: [{ operator: 'Exists' }] }],
    ['spec.tolerations[0]', { tolerations: [{ key: 'agents', operator: 'Exists' }] }],
  ]
  for (const [path, spec] of cases)
    t.match(judge(server({}, spec)), [{ rule: 'component-shape', path }], path)
  const added = [
    { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
    { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  ]
  t.same(judge(server({}, { tolerations: added, priorityClassName: 'apps' })), [])
  const wider = inForceOf({
    ...policy,
    defaults: {
      ...policy.defaults,
      priorityClassName: 'system-cluster-critical',
      allowedTolerations: [{ key: 'agents', operator: 'Exists' }],
    },
  })
  const named = server(
    {},
    { priorityClassName: 'system-cluster-critical', tolerations: [{ key: 'agents', value: 'a' }] },
  )
  t.same(violationsIn(named, wider), [])
  const running = server({}, { nodeName: 'node-1' })
  const update = reviewOf(running, { operation: 'UPDATE', oldObject: running })
  t.equal(validateReview(update, inForce).kind, 'allowed', 'one that runs has a node')
})

void t.test('what runs nothing may stay', async (t) => {
  t.same(
    judge(
      server({
        lifecycle: { preStop: { sleep: { seconds: 5 } } },
        terminationMessagePath: '/dev/termination-log',
      }),
    ),
    [],
  )
  t.same(
    judge(server({}, { initContainers: [], shareProcessNamespace: false, dnsPolicy: 'ClusterFirst' })),
    [],
  )
})

void t.test('no value is shown', async (t) => {
  const pod = server({
    env: [
      { name: 'DATABASE_URL', value: 'postgres://hidden' },
      { name: 'X', value: 'hidden' },
    ],
  })
  t.notMatch(JSON.stringify(judge(pod)), /hidden/)
})

import t from 'tap'
import type { Pod } from '../../../src/admission/pod/pod.ts'
import { violationsIn } from '../pod-creation.ts'
import { inForce, samplePod, tokenVolume } from '../pod-samples.ts'

/** A pod of the session server as the base policy describes it, with one thing changed. */
function server(container: object = {}, spec: object = {}): Pod {
  return samplePod({
    labels: { app: 'session-management-server' },
    container: {
      name: 'session-management-server',
      image: 'greenroom:0.1.0',
      args: ['controller', 'api'],
      env: [
        fromSecret('DATABASE_URL', 'session-management-server'),
        { name: 'GREENROOM_PORT', value: '3000' },
      ],
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

const fromSecret = (name: string, secret: string) => ({
  name,
  valueFrom: { secretKeyRef: { name: secret, key: name } },
})
const token = (configMap = 'kube-root-ca.crt') => ({
  name: tokenVolume.name,
  projected: { sources: [{ serviceAccountToken: { path: 'token' } }, { configMap: { name: configMap } }] },
})
const judge = (pod: Pod) => violationsIn(pod, inForce)

void t.test('the shape of the row passes', async (t) => {
  t.same(judge(server()), [])
  t.same(judge(server({ args: ['migrate'], volumeMounts: [], env: [] })), [])
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
        { volumes: [{ name: 'key', secret: { secretName: 'greenroom-assign-key' } }, token('mine')] },
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

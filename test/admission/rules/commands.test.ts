import t from 'tap'
import type { Container, Pod } from '../../../src/admission/pod/pod.ts'
import { mutated, violationsIn } from '../pod-creation.ts'
import { acceptedPolicy, inForce, inForceOf, policy, policyTextOf, samplePod } from '../pod-samples.ts'

/** A Secret comes with a label, so what runs beside it is bounded wherever the author of a pod could print it. */

type Parts = Parameters<typeof samplePod>[0]

const echo = { 'agent-type': 'echo-agent' }
const pooled = { ...echo, 'greenroom.dev/pool': 'echo-agent' }

function found(parts: Parts, within = inForce): string[] {
  return violationsIn(mutated(samplePod(parts), within), within)
    .filter(({ rule }) => rule === 'commands')
    .map(({ path }) => path)
}

const claim = { name: 'claim', persistentVolumeClaim: { claimName: 'c' } }
const downward = { name: 'code', downwardAPI: { items: [] } }

void t.test('an own command of an allowed image is refused where the row gives a Secret', async (t) => {
  const refused: readonly (readonly [string, Partial<Container> & object])[] = [
    ['command', { command: ['sh', '-c', 'env'] }],
    ['args', { args: ['-e', 'console.log(process.env)'] }],
    ['args', { args: ['node', 'src/agent/echo-agent.ts'] }],
    ['command', { command: ['node', 'src/agent/echo-agent.ts'], args: ['more'] }],
    ['workingDir', { workingDir: '/tmp' }],
    ['lifecycle.postStart.exec', { lifecycle: { postStart: { exec: {} } } }],
    ['lifecycle.preStop.exec', { lifecycle: { preStop: { exec: {} } } }],
    ['startupProbe.exec', { startupProbe: { exec: {} } }],
    ['terminationMessagePolicy', { terminationMessagePolicy: 'FallbackToLogsOnError' }],
    ['terminationMessagePath', { terminationMessagePath: '/app/src/main.ts' }],
    ['terminationMessagePath', { terminationMessagePath: '/tmp/settings-with-the-key' }],
    ['envFrom[0].configMapRef', { envFrom: [{ configMapRef: { name: 'settings' } }] }],
    ['envFrom[0].configMapRef', { envFrom: [{ prefix: 'NODE_', configMapRef: { name: 'settings' } }] }],
    ['envFrom[0].configMapRef', { envFrom: [{ prefix: 'LD_PRE', configMapRef: { name: 'settings' } }] }],
    ['envFrom[0].configMapRef', { envFrom: [{ prefix: 'PYTHON', configMapRef: { name: 'settings' } }] }],
  ]
  for (const [field, container] of refused) {
    t.same(found({ labels: echo, container }), [`spec.containers[0].${field}`], JSON.stringify(container))
  }
  const names =
    'NODE_OPTIONS NODE_EXTRA_CA_CERTS NODE_COMPILE_CACHE NODE_V8_COVERAGE npm_config_script_shell LD_PRELOAD PATH HOME ' +
    'XDG_CONFIG_HOME OPENSSL_CONF PYTHONPATH PYTHONPYCACHEPREFIX BASH_ENV BASH_FUNC_x%% SHELLOPTS PS4 GIT_SSH_COMMAND'
  for (const name of names.split(' ')) {
    t.same(
      found({ labels: echo, container: { env: [{ name, value: 'x' }] } }),
      [`spec.containers[0].env[${name}]`],
      name,
    )
  }
})

void t.test("the image's own command and those of the row pass", async (t) => {
  for (const container of [
    {},
    { command: ['node', 'src/agent/echo-agent.ts'] },
    { terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File' },
    { envFrom: [{ prefix: 'APP_', configMapRef: { name: 'settings' } }] },
  ]) {
    t.same(found({ labels: echo, container }), [])
  }
  t.same(
    found({ labels: { 'agent-type': 'stella-agent' }, container: { args: ['serve'] } }),
    ['spec.containers[0].args'],
    'a row without commands lists none',
  )
})

void t.test('content that the author writes may not be mounted over the program', async (t) => {
  const mounted = (mountPath: string, volume: NonNullable<Pod['spec']['volumes']>[number]) =>
    found({
      labels: echo,
      container: { volumeMounts: [{ name: volume.name, mountPath }] },
      spec: { volumes: [volume] },
    })
  const at = ['spec.containers[0].volumeMounts[0].mountPath']
  t.same(mounted('/app/src', downward), at)
  t.same(mounted('/tmp/../app/src', downward), at, 'no way around by ..')
  t.same(mounted('/tmpfoo', downward), at)
  t.same(mounted('/app', { name: 'p', projected: { sources: [{ downwardAPI: {} }] } }), at)
  t.same(mounted('/app', claim), at)
  t.same(mounted('/tmp/info', downward), at, 'nor at a writable path: a variable or a setting may lead there')
  for (const kind of ['persistentVolumeClaim', 'ephemeral', 'csi', 'image']) {
    t.same(mounted('/tmp/x', { name: 'v', [kind]: {} }), at, kind)
  }
  const token = (fieldPath: string) => ({
    name: 'kube-api-access-12345',
    projected: {
      sources: [
        { serviceAccountToken: { path: 'token' } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath } }] } },
      ],
    },
  })
  const withToken = { ...policy, defaults: { ...policy.defaults, automountServiceAccountToken: true } }
  const places = (fieldPath: string): string[] =>
    found(
      {
        labels: echo,
        container: {
          volumeMounts: [
            { name: 'kube-api-access-12345', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
          ],
        },
        spec: { volumes: [token(fieldPath)] },
      },
      inForceOf(withToken),
    )
  t.same(places('metadata.namespace'), [], "the account's token as Kubernetes mounts it")
  t.same(places("metadata.annotations['code']"), at, 'a volume that only looks like it')
  t.same(mounted('/etc/agent', { name: 'c', configMap: { name: 'settings' } }), [])
})

void t.test('a path of a volume may hold a field of the pod, and no other variable', async (t) => {
  const v = { name: 'v', emptyDir: {} }
  const pod = { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }
  const slash = { name: 'SLASH', value: '/' }
  const mounted = (subPathExpr: string, env: Container['env'] = [], labels: object = echo) =>
    found({
      labels: { ...labels },
      container: { env, volumeMounts: [{ name: 'v', mountPath: '/tmp/x', subPathExpr }] },
      spec: { volumes: [v] },
    })
  const at = ['spec.containers[0].volumeMounts[0].subPathExpr']
  t.same(mounted('$(SLASH)$(OPENAI_API_KEY)', [slash]), at, 'an absolute path is quoted in an Event')
  t.same(mounted('$(OPENAI_API_KEY)'), at)
  t.same(mounted('$(COPY)', [{ name: 'COPY', value: '$(OPENAI_API_KEY)' }]), at)
  t.same(mounted('$(POD_NAME)', [pod, { name: 'POD_NAME', value: '$(OPENAI_API_KEY)' }]), at, 'the last wins')
  t.same(mounted('logs/$(POD_NAME)/$(GREENROOM_POD_UID)', [pod]), [])
  t.same(mounted('$$(OPENAI_API_KEY)'), [], 'an escaped name refers to nothing')
  t.same(mounted('$(OPENAI_API_KEY)', [], {}), [], 'beside no Secret')
})

void t.test('init containers and sidecars too: they can name the Secret themselves', async (t) => {
  const thief: Container = { name: 'thief', image: 'greenroom:1', command: ['env'] }
  t.same(found({ labels: echo, spec: { initContainers: [thief] } }), ['spec.initContainers[0].command'])
})

void t.test(
  "pods of pools have the command of agent-pools, and a row without Secrets has anybody's",
  async (t) => {
    const container = {
      command: ['sh', '-c', 'env'],
      envFrom: [{ configMapRef: { name: 'settings' } }],
      terminationMessagePolicy: 'FallbackToLogsOnError',
    }
    t.same(found({ labels: pooled, container }), [])
    t.same(found({ labels: {}, container }), [])
  },
)

void t.test('a Secret that only may be referred to binds the pods that do so', async (t) => {
  const row =
    'default: { resources: { requests: { cpu: 1, memory: 1Gi }, limits: { cpu: 1, memory: 1Gi } }, allowedSecrets: [pull, keys], images: { allowed: [stella-agent] } }'
  const within = inForceOf(acceptedPolicy(`version: "1"\nagentTypes: { ${row} }`))
  const command = ['env']
  const env = [{ name: 'K', valueFrom: { secretKeyRef: { name: 'keys', key: 'k' } } }]
  t.same(found({ labels: {}, container: { command } }, within), [])
  t.same(
    found({ labels: {}, container: { command }, spec: { imagePullSecrets: [{ name: 'pull' }] } }, within),
    [],
    'to pull an image brings no Secret into a process',
  )
  t.same(found({ labels: {}, container: { command, env } }, within), ['spec.containers[0].command'])
})

void t.test('plain variables of runtimes are free, and so is a home at a writable path', async (t) => {
  const env = [
    { name: 'NODE_ENV', value: 'production' },
    { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
    { name: 'UV_THREADPOOL_SIZE', value: '8' },
    { name: 'HOME', value: '/tmp' },
    { name: 'H', value: 'Bearer $(OPENAI_API_KEY)' },
    { name: 'PYTHONUNBUFFERED', value: '1' },
    { name: 'GIT_COMMIT', value: 'abc' },
  ]
  t.same(found({ labels: echo, container: { env } }), [])
  for (const value of ['/tmp/x', '/etc/agent', '']) {
    t.equal(found({ labels: echo, container: { env: [{ name: 'HOME', value }] } }).length, 1, value)
  }
})

void t.test("the row's own variables stay the row's business", async (t) => {
  const { defaults } = policy
  const env = [{ name: 'NODE_OPTIONS', value: '--enable-source-maps' }]
  const within = inForceOf({ ...policy, defaults: { ...defaults, env } })
  t.same(found({ labels: echo }, within), [])
  t.same(
    found({ labels: echo, container: { env: [{ name: 'NODE_OPTIONS', value: '--import=x' }] } }, within)
      .length,
    1,
  )
})

void t.test('secretsFor: pools gives the Secrets to pods of pools alone', async (t) => {
  const within = inForceOf(
    acceptedPolicy(
      policyTextOf('base/agent-policy.yaml').replace('images: { allowed: [greenroom] }', 'secretsFor: pools'),
    ),
  )
  const keys = (pod: Pod): (string | undefined)[] =>
    (mutated(pod, within).spec.containers[0]?.env ?? [])
      .map(({ name }) => name)
      .filter((name) => name === 'OPENAI_API_KEY')
  t.same(keys(samplePod({ labels: pooled })), ['OPENAI_API_KEY'])
  t.same(keys(samplePod({ labels: echo })), [])
  const env = [{ name: 'K', valueFrom: { secretKeyRef: { name: 'agent-secrets', key: 'OPENAI_API_KEY' } } }]
  const rules = (pod: Pod): string[] => violationsIn(mutated(pod, within), within).map(({ rule }) => rule)
  t.same(rules(samplePod({ labels: echo, container: { env } })), ['secret-references'])
  t.same(rules(samplePod({ labels: pooled, container: { env } })), [])
  const debug: Container = {
    name: 'd',
    image: 'greenroom:1',
    env,
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  }
  t.same(
    rules(samplePod({ labels: pooled, spec: { ephemeralContainers: [debug] } })),
    ['secret-references'],
    "a debug container in a pool's pod is not the pool's",
  )
  t.same(
    rules(samplePod({ labels: echo, container: { command: ['sh'] } })),
    [],
    'there is nothing left to print',
  )
})

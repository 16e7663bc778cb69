import t from 'tap'
import { podPatch } from '../../../src/admission/mutate/pod-patch.ts'
import type { Container, Pod } from '../../../src/admission/pod/pod.ts'
import { mutated, violationsIn } from '../pod-creation.ts'
import { inForce, keySet, policy, samplePod } from '../pod-samples.ts'

const mutate = (pod: Pod): Pod => mutated(pod, inForce)
void t.test('an agent pod of a known type gets all that the table says', async (t) => {
  const { spec, metadata } = mutate(samplePod())
  t.same(metadata?.labels, { 'agent-type': 'stella-agent', app: 'conversational-ai-agent' })
  t.same(metadata?.annotations, {
    'greenroom.dev/policy-version': '1',
    'greenroom.dev/policy-digest': '1-082fc010d2da4eea',
    'greenroom.dev/assign-key-ids': 'k2,k1',
  })
  t.same(
    spec.volumes,
    [{ name: 'greenroom-tmp', emptyDir: { sizeLimit: '64Mi' } }],
    'the token volume is gone',
  )
  t.same(spec.containers[0]?.volumeMounts, [{ name: 'greenroom-tmp', mountPath: '/tmp' }])
  t.same(spec.containers[0]?.resources, {
    requests: { cpu: '250m', memory: '512Mi', 'ephemeral-storage': '64Mi' },
    limits: { cpu: '1000m', memory: '2Gi', 'ephemeral-storage': '1Gi' },
  })
  t.same(spec.containers[0]?.livenessProbe, {
    httpGet: { path: '/health', port: 8080, scheme: 'HTTP' },
    initialDelaySeconds: 30,
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  })
  t.same(
    spec.containers[0]?.env?.map((entry) => entry.name),
    [
      'GREENROOM_ASSIGN_KEYS',
      'GREENROOM_POD_UID',
      'GREENROOM_POD_NAME',
      'GREENROOM_POD_IP',
      'GREENROOM_AGENT_TYPE',
      'OPENAI_API_KEY',
    ],
  )
  t.equal(spec.containers[0]?.env?.[0]?.value, keySet)
  t.same(spec.containers[0]?.env?.[5]?.valueFrom, {
    secretKeyRef: { name: 'agent-secrets', key: 'OPENAI_API_KEY', optional: true },
  })
  t.equal(spec.automountServiceAccountToken, false)
})

void t.test(
  'sidecars and init containers get security and their own resources, no probes, no secrets',
  async (t) => {
    const others: Container[] = [
      { name: 'agent', image: 'a' },
      { name: 'shipper', image: 'b' },
    ]
    const { spec } = mutate(samplePod({ spec: { containers: others, initContainers: [{ name: 'init' }] } }))
    for (const container of [spec.containers[1], spec.initContainers?.[0]]) {
      t.match(container?.securityContext, { runAsNonRoot: true, capabilities: { drop: ['ALL'] } })
      t.same(container?.resources, policy.defaults.sidecar)
      t.notOk(container?.livenessProbe)
      t.notOk(container?.env)
      t.same(container?.volumeMounts, [{ name: 'greenroom-tmp', mountPath: '/tmp' }])
    }
  },
)

void t.test(
  'environment is merged by name: secrets and GREENROOM_* win; plain values are defaults',
  async (t) => {
    const row = policy.agentTypes['stella-agent']
    if (!row) return t.fail('the shipped policy has a row stella-agent')
    const withEnv = {
      ...inForce,
      policy: {
        ...policy,
        agentTypes: {
          'stella-agent': {
            ...row,
            env: [
              { name: 'LEVEL', value: 'info' },
              { name: 'B', value: 'row' },
            ],
          },
        },
      },
    }
    const env = [
      { name: 'LEVEL', value: 'debug' },
      { name: 'OPENAI_API_KEY', value: 'sk-literal' },
      { name: 'GREENROOM_POD_UID', value: 'forged' },
      { name: 'OPENAI_API_KEY', value: 'sk-last-one-wins' },
    ]
    const pod = samplePod({ container: { env } })
    const after = mutated(pod, withEnv).spec.containers[0]?.env ?? []
    t.equal(after.find((entry) => entry.name === 'LEVEL')?.value, 'debug')
    t.equal(after.find((entry) => entry.name === 'B')?.value, 'row')
    t.ok(
      after.filter(({ name }) => name === 'OPENAI_API_KEY').every(({ valueFrom }) => valueFrom?.secretKeyRef),
      'each of them: the kubelet lets the last win',
    )
    t.match(
      after.find((entry) => entry.name === 'GREENROOM_POD_UID'),
      {
        valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } },
      },
    )
    t.notMatch(JSON.stringify(after), /sk-|forged/)
  },
)

void t.test("every $(NAME) of the author's values finds what the webhook injects", async (t) => {
  const env = [
    { name: 'H', value: 'Bearer $(OPENAI_API_KEY) for $(GREENROOM_POD_IP)' },
    { name: 'OPENAI_API_KEY', value: 'sk-literal' },
    { name: 'A', value: '1' },
  ]
  const pod = samplePod({ container: { env } })
  const after = mutate(pod)
  const names = after.spec.containers[0]?.env?.map((entry) => entry.name) ?? []
  t.same(names.slice(-2), ['H', 'A'])
  t.ok(names.indexOf('OPENAI_API_KEY') < names.indexOf('H'))
  t.ok(names.indexOf('GREENROOM_POD_IP') < names.indexOf('H'))
  const patch = podPatch(pod, after).filter(({ path }) => path.includes('/env/'))
  t.same(
    patch.map(({ op, path }) => `${op} ${path.slice(path.lastIndexOf('/') + 1)}`),
    ['remove 1', 'add 0', 'add 1', 'add 2', 'add 3', 'add 4', 'add 5'],
    'only what comes and what goes is written',
  )
  t.notMatch(JSON.stringify(patch), /Bearer|sk-literal/)
})

void t.test("Greenroom's annotations are written over whatever stands there", async (t) => {
  const forged = {
    'greenroom.dev/policy-version': 'forged',
    'greenroom.dev/policy-digest': '1-forged',
    'greenroom.dev/assign-key-ids': 'forged',
  }
  const { annotations } = mutate(samplePod({ annotations: { ...forged, team: 'blue' } })).metadata ?? {}
  t.same(annotations, { ...mutate(samplePod()).metadata?.annotations, team: 'blue' })
  t.notMatch(JSON.stringify(annotations), /forged/)
})

void t.test('labels are added where absent and never changed', async (t) => {
  const pod = samplePod({ labels: { 'agent-type': 'stella-agent', app: 'other' } })
  t.equal(mutate(pod).metadata?.labels?.app, 'other')
  t.notOk(mutate(samplePod({ labels: {} })).metadata?.labels?.app, 'row default leaves app alone')
})

void t.test(
  "notation is the pod's where the value is the same, so a second look finds nothing",
  async (t) => {
    const pod = samplePod({
      container: {
        resources: { limits: { cpu: '1', memory: '2048Mi' }, requests: { cpu: '0.25', memory: '512Mi' } },
      },
    })
    t.same(mutate(pod).spec.containers[0]?.resources, {
      limits: { cpu: '1', memory: '2048Mi', 'ephemeral-storage': '1Gi' },
      requests: { cpu: '0.25', memory: '512Mi', 'ephemeral-storage': '64Mi' },
    })
  },
)

void t.test("a container's own place at /tmp is kept", async (t) => {
  const volumes = [{ name: 'data', emptyDir: {} }]
  const pod = samplePod({
    container: { volumeMounts: [{ name: 'data', mountPath: '/tmp/' }] },
    spec: { volumes },
  })
  t.same(mutate(pod).spec.volumes, [{ name: 'data', emptyDir: { sizeLimit: '256Mi' } }])
  t.same(violationsIn(mutate(pod), inForce), [])
})

void t.test('a component gets its name and nothing else, a pod of an unknown type nothing', async (t) => {
  const component = samplePod({
    labels: { app: 'mine' },
    container: { image: 'greenroom:1' },
    spec: { serviceAccountName: 'session-management-sa' },
  })
  const named = mutate(component)
  t.same(named.metadata?.labels, { app: 'mine', 'greenroom.dev/component': 'session-management-server' })
  t.equal(named.spec, component.spec)
  t.equal(mutate(named), named)
  const unknown = samplePod({ labels: { 'agent-type': 'nobody' } })
  t.equal(mutate(unknown), unknown)
})

void t.test('a delay of 0 is left out, as the API server leaves it out', async (t) => {
  const { spec } = mutate(samplePod({ labels: { 'agent-type': 'echo-agent' } }))
  t.notOk(Object.hasOwn(spec.containers[0]?.readinessProbe ?? {}, 'initialDelaySeconds'))
})

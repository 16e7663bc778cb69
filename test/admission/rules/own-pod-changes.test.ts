import t from 'tap'
import type { Pod } from '../../../src/admission/pod/pod.ts'
import type { AdmissionRequest } from '../../../src/admission/review/admission-review.ts'
import { mutateReview, validateReview } from '../../../src/admission/review/pod-review.ts'
import { mutated } from '../pod-creation.ts'
import { greenroomUser, inForce, inForceOf, policy, reviewOf, samplePod, serverEnv } from '../pod-samples.ts'

/** The labels of pools and components vouch for what runs in their pods. So it stays what it was. */

const pooled = mutated(
  samplePod({ labels: { 'agent-type': 'echo-agent', 'greenroom.dev/pool': 'echo-agent' } }),
)
const plain = mutated(samplePod({ labels: { 'agent-type': 'echo-agent' } }))

function update(before: Pod, after: object, overrides: Partial<AdmissionRequest> = {}) {
  return validateReview(reviewOf(after, { operation: 'UPDATE', oldObject: before, ...overrides }), inForce)
}

const withSpec = (pod: Pod, spec: object) => ({ ...pod, spec: { ...pod.spec, ...spec } })
const withContainer = (pod: Pod, more: object) =>
  withSpec(pod, { containers: pod.spec.containers.map((container) => ({ ...container, ...more })) })
const withMetadata = (pod: Pod, more: object) => ({ ...pod, metadata: { ...pod.metadata, ...more } })
const denied = (path: string) => ({
  kind: 'denied',
  violations: [{ rule: 'own-pod-changes', code: 'GRN_POD_OWNERSHIP', path }],
})

const changes: readonly (readonly [path: string, change: (pod: Pod) => object, subResource?: string])[] = [
  ['spec.containers[0].image', (pod) => withContainer(pod, { image: 'evil:1' })],
  ['spec.tolerations', (pod) => withSpec(pod, { tolerations: [{ operator: 'Exists' }] })],
  ['spec.activeDeadlineSeconds', (pod) => withSpec(pod, { activeDeadlineSeconds: 1 })],
  ['spec.terminationGracePeriodSeconds', (pod) => withSpec(pod, { terminationGracePeriodSeconds: 1 })],
  ['spec.tomorrow', (pod) => withSpec(pod, { tomorrow: true })],
  [
    'spec.containers[0].resources',
    (pod) => withContainer(pod, { resources: { limits: { cpu: '1m' } } }),
    'resize',
  ],
  [
    'spec.ephemeralContainers',
    (pod) => withSpec(pod, { ephemeralContainers: [{ name: 'd', image: 'sh:1' }] }),
    'ephemeralcontainers',
  ],
  [
    'metadata.labels[agent-type]',
    (pod) => withMetadata(pod, { labels: { ...pod.metadata?.labels, 'agent-type': 'stella-light' } }),
  ],
  [
    'metadata.labels[agent-type]',
    (pod) => withMetadata(pod, { labels: { 'greenroom.dev/pool': 'echo-agent' } }),
    'status',
  ],
  ['metadata.ownerReferences', (pod) => withMetadata(pod, { ownerReferences: [{ uid: 'gone' }] })],
  ['metadata.finalizers', (pod) => withMetadata(pod, { finalizers: ['mine/never'] })],
  ['metadata.finalizers', (pod) => withMetadata(pod, { finalizers: ['mine/never'] }), 'status'],
]

void t.test('a pod of a pool stays what it was made as, except by Greenroom', async (t) => {
  for (const [path, change, subResource] of changes) {
    const after = change(pooled)
    const by = subResource === undefined ? {} : { subResource }
    t.match(update(pooled, after, by), denied(path), path)
    const own = update(pooled, after, { ...by, userInfo: { username: greenroomUser } })
    t.notMatch(JSON.stringify(own), /own-pod-changes/, path)
    t.notMatch(JSON.stringify(update(plain, change(plain), by)), /own-pod-changes/, `${path} elsewhere`)
  }
})

void t.test('in a trial too, and with the label taken off in the same request', async (t) => {
  const trial = inForceOf({ ...policy, rollout: { audit: ['ai-agents'] } })
  const after = withMetadata(withContainer(pooled, { image: 'evil:1' }) as Pod, {
    labels: { 'agent-type': 'echo-agent' },
  })
  const answer = validateReview(reviewOf(after, { operation: 'UPDATE', oldObject: pooled }), trial)
  t.match(answer, { kind: 'denied' })
  t.match(JSON.stringify(answer), /own-pod-changes/)
})

void t.test('what others need stays possible', async (t) => {
  const gated = withSpec(pooled, { schedulingGates: [{ name: 'queue' }] }) as Pod
  t.equal(update(gated, pooled).kind, 'allowed', 'a queue opens its gate')
  const finalized = withMetadata(pooled, { finalizers: ['a'] }) as Pod
  t.equal(update(finalized, pooled).kind, 'allowed', 'a finalizer goes')
  const labelled = withMetadata(pooled, { labels: { ...pooled.metadata?.labels, team: 'blue' } })
  t.equal(update(pooled, labelled).kind, 'allowed')
  t.equal(update(pooled, pooled, { subResource: 'status' }).kind, 'allowed')
  t.equal(update(pooled, pooled, { operation: 'DELETE' }).kind, 'allowed')
})

void t.test('debug containers where the policy allows them, and nothing else with them', async (t) => {
  const open = inForceOf({ ...policy, debugPools: 'allow' })
  const securityContext = {
    allowPrivilegeEscalation: false,
    runAsNonRoot: true,
    runAsUser: 1000,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }
  const after = withSpec(pooled, {
    ephemeralContainers: [{ name: 'd', image: 'greenroom:0.1.0', securityContext }],
  })
  const request = (object: object) =>
    reviewOf(object, { operation: 'UPDATE', oldObject: pooled, subResource: 'ephemeralcontainers' })
  t.match(mutateReview(request(after), inForce), denied('spec.ephemeralContainers'))
  t.equal(mutateReview(request(after), open).kind, 'patched')
  t.equal(validateReview(request(after), open).kind, 'allowed')
  const more = withContainer(after as Pod, { image: 'evil:1' })
  t.match(validateReview(request(more), open), denied('spec.containers[0].image'))
})

const component = samplePod({
  labels: {
    app: 'session-management-server',
    'pod-template-hash': 'a1',
    'greenroom.dev/component': 'session-management-server',
  },
  container: {
    image: 'greenroom:0.1.0',
    args: ['controller', 'api'],
    env: serverEnv,
    volumeMounts: [],
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  },
  spec: {
    serviceAccountName: 'session-management-sa',
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  },
})
const controllerUser = (name: string) => ({ username: `system:serviceaccount:kube-system:${name}` })

void t.test('the spec of a component changes with its Deployment, but it may be resized', async (t) => {
  for (const userInfo of [{ username: 'alice' }, controllerUser('replicaset-controller')]) {
    const image = update(component, withContainer(component, { image: 'greenroom:0.0.9' }), { userInfo })
    t.match(image, denied('spec.containers[0].image'))
    t.match(image, { violations: [{ fix: /Deployment/ }] })
    const resized = withContainer(component, { resources: { limits: { cpu: '2' } } })
    t.equal(update(component, resized, { userInfo, subResource: 'resize' }).kind, 'allowed')
  }
})

void t.test("only Kubernetes' own controllers change what a component belongs to", async (t) => {
  const labelled = (more: Record<string, string | undefined>) =>
    // As JSON, which has no place for undefined.
    JSON.parse(
      JSON.stringify(withMetadata(component, { labels: { ...component.metadata?.labels, ...more } })),
    ) as object
  const cases: readonly (readonly [path: string, after: object])[] = [
    ['metadata.ownerReferences', withMetadata(component, { ownerReferences: [{ uid: 'gone' }] })],
    ['metadata.finalizers', withMetadata(component, { finalizers: ['mine/never'] })],
    ['metadata.labels[app]', labelled({ app: undefined })],
    ['metadata.labels[app]', labelled({ app: 'web' })],
    ['metadata.labels[pod-template-hash]', labelled({ 'pod-template-hash': undefined })],
    ['metadata.labels[agent-type]', labelled({ 'agent-type': 'echo-agent' })],
  ]
  for (const [path, after] of cases) {
    for (const subResource of ['', 'status', 'ephemeralcontainers']) {
      const found = update(component, after, { subResource })
      t.match(JSON.stringify(found), path, `${path} by ${subResource}`)
      t.match(JSON.stringify(found), /own-pod-changes.*Deployment/)
      for (const name of ['replicaset-controller', 'job-controller', 'generic-garbage-collector']) {
        const own = update(component, after, { subResource, userInfo: controllerUser(name) })
        t.notMatch(JSON.stringify(own), /own-pod-changes/, `${path} by ${name}`)
      }
      for (const username of [
        'system:serviceaccount:ai-agents:replicaset-controller',
        'replicaset-controller',
      ])
        t.match(JSON.stringify(update(component, after, { subResource, userInfo: { username } })), path)
    }
  }
  const adopted = withMetadata(component, { ownerReferences: [{ uid: 'replica-set' }] })
  const userInfo = controllerUser('replicaset-controller')
  t.equal(update(component, adopted, { userInfo }).kind, 'allowed')
  t.match(
    update(pooled, withMetadata(pooled, { ownerReferences: [{ uid: 'x' }] }), { userInfo }),
    denied('metadata.ownerReferences'),
    'no ReplicaSet of somebody else adopts a pod of a pool',
  )
  t.equal(update(component, labelled({ team: 'blue' })).kind, 'allowed')
  const tracked = withMetadata(component, { finalizers: ['batch.kubernetes.io/job-tracking'] }) as Pod
  t.equal(update(tracked, component).kind, 'allowed', 'a finalizer goes')
})

void t.test('a component without its name yet keeps the label by which its ReplicaSet has it', async (t) => {
  const older = withMetadata(component, { labels: { app: 'session-management-server' } }) as Pod
  for (const labels of [{}, { app: 'web' }]) {
    t.match(update(older, withMetadata(older, { labels })), {
      kind: 'denied',
      violations: [{ rule: 'label-ownership', path: 'metadata.labels[app]' }],
    })
  }
})

void t.test('a Binding writes none of the labels by which controllers have their pods', async (t) => {
  for (const key of ['agent-type', 'app', 'pod-template-hash']) {
    const binding = { metadata: { name: 'p', labels: { [key]: 'x' } }, target: { name: 'node' } }
    for (const road of [
      { subResource: 'binding' },
      { resource: { group: '', version: 'v1', resource: 'bindings' } },
    ]) {
      t.match(validateReview(reviewOf(binding, road), inForce), denied(`metadata.labels[${key}]`))
    }
  }
})

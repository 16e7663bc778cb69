import t from 'tap'
import { podDrift } from '../../../src/admission/explain/pod-drift.ts'
import { limitRangerDefaults } from '../../../src/admission/pod/limit-ranger.ts'
import type { Pod } from '../../../src/admission/pod/pod.ts'
import type { WantedResources } from '../../../src/admission/policy/effective-row.ts'
import { mutateReview, validateReview } from '../../../src/admission/review/pod-review.ts'
import { filledResources, isInRange } from '../../../src/admission/rules/container-resources.ts'
import { mutated, violationsIn } from '../pod-creation.ts'
import {
  acceptedPolicy,
  greenroomUser,
  inForce,
  inForceOf,
  policy,
  reviewOf,
  samplePod,
} from '../pod-samples.ts'

const nano = 10n ** 9n
const range = { min: nano / 10n, max: 2n * nano, text: '100m to 2' }
const wanted: WantedResources = [
  { name: 'cpu', request: '250m', limit: '1', range },
  { name: 'memory', request: '1Gi', limit: '1Gi' },
]
const nobody = () => false
const cpu = (given: object, isDefaulted: Parameters<typeof filledResources>[2] = nobody) => {
  const { requests, limits } = filledResources(given, wanted, isDefaulted)
  return [requests?.cpu, limits?.cpu]
}

void t.test('what the author asked stays, the rest is filled in, no request above its limit', async (t) => {
  const cases: readonly (readonly [object, readonly [string, string]])[] = [
    [{}, ['250m', '1']],
    [{ limits: { cpu: '2' } }, ['250m', '2']],
    [{ limits: { cpu: '200m' } }, ['200m', '200m']],
    [{ requests: { cpu: '100m' } }, ['100m', '1']],
    [{ requests: { cpu: '1500m' } }, ['1500m', '1500m']],
    [{ requests: { cpu: '300m' }, limits: { cpu: '400m' } }, ['300m', '400m']],
  ]
  for (const [given, expected] of cases) t.same(cpu(given), expected, JSON.stringify(given))
})

void t.test(
  'without a range the row is imposed; what it does not name stays, for the validator',
  async (t) => {
    const given = { limits: { memory: '8Gi', 'example.org/gpu': '1' }, claims: [{ name: 'c' }] }
    t.same(filledResources(given, wanted, nobody), {
      claims: [{ name: 'c' }],
      requests: { cpu: '250m', memory: '1Gi' },
      limits: { 'example.org/gpu': '1', cpu: '1', memory: '1Gi' },
    })
  },
)

void t.test(
  'a device that the row names is given to the agent; one that it does not name is refused',
  async (t) => {
    const pod = samplePod({ container: { resources: { limits: { 'nvidia.com/gpu': '2' } } } })
    const refused = mutateReview(reviewOf(pod), inForce)
    t.match(refused, {
      kind: 'denied',
      violations: [
        {
          rule: 'resource-range',
          path: 'spec.containers[0].resources.limits[nvidia.com/gpu]',
          allowed: 'unset',
        },
      ],
    })
    const stella = policy.agentTypes['stella-agent']
    const resources = {
      requests: stella?.resources?.requests ?? { cpu: 1, memory: 1 },
      limits: { ...(stella?.resources?.limits ?? { cpu: 1, memory: 1 }), 'nvidia.com/gpu': 1 },
    }
    const withDevice = inForceOf({
      ...policy,
      agentTypes: { ...policy.agentTypes, 'stella-agent': { ...stella, resources } },
    })
    const shaped = mutated(pod, withDevice)
    t.match(shaped.spec.containers[0]?.resources, {
      requests: { 'nvidia.com/gpu': '1' },
      limits: { 'nvidia.com/gpu': '1' },
    })
    t.same(violationsIn(shaped, withDevice), [])
  },
)

void t.test("a LimitRange's defaults count as absent, of that container and field alone", async (t) => {
  const isDefaulted = limitRangerDefaults({
    annotations: {
      'kubernetes.io/limit-ranger':
        'LimitRanger plugin set: cpu, memory request for container agent; cpu limit for init container fetch',
    },
  })
  const agent = { kind: 'main', name: 'agent' } as const
  t.ok(isDefaulted(agent, 'request', 'memory'))
  t.notOk(isDefaulted(agent, 'limit', 'cpu'))
  t.notOk(isDefaulted({ kind: 'init', name: 'agent' }, 'request', 'cpu'))
  t.ok(isDefaulted({ kind: 'init', name: 'fetch' }, 'limit', 'cpu'))
  const given = { requests: { cpu: '2' }, limits: { cpu: '2' } }
  t.same(
    cpu(given, (field) => isDefaulted(agent, field, 'cpu')),
    ['250m', '2'],
  )
  for (const text of ['', 'x', 'LimitRanger plugin set: ']) {
    t.notOk(
      limitRangerDefaults({ annotations: { 'kubernetes.io/limit-ranger': text } })(agent, 'request', 'cpu'),
    )
  }
})

void t.test('in range: both bounds count, and neither value may be absent or nonsense', async (t) => {
  t.ok(isInRange({ range }, '100m', '2'))
  for (const [request, limit] of [
    ['99m', '1'],
    ['1', '2001m'],
    ['1', '500m'],
    [undefined, '1'],
    ['1', undefined],
    ['many', '1'],
  ] as const) {
    t.notOk(isInRange({ range }, request, limit), `${request} and ${limit}`)
  }
})

void t.test(
  'thin: idle pods of pools request less, and may change to the full size and to no other',
  async (t) => {
    const row = policy.agentTypes['stella-agent']
    const thinPolicy = (thin: object) =>
      inForceOf(
        acceptedPolicy(JSON.stringify({ ...policy, agentTypes: { 'stella-agent': { ...row, thin } } })),
      )
    const thin = thinPolicy({ cpu: '25m', memory: '128Mi' })
    const pooled = { 'agent-type': 'stella-agent', 'greenroom.dev/pool': 'stella-agent' }
    const userInfo = { username: greenroomUser }
    const shape = (
      labels: Record<string, string>,
      annotations?: Record<string, string>,
      container: object = {},
    ) => mutated(samplePod({ labels, container, ...(annotations && { annotations }) }), thin)
    const requests = (pod: Pod) => {
      const { cpu, memory } = pod.spec.containers[0]?.resources?.requests ?? {}
      return [cpu, memory]
    }
    const idle = shape(pooled)
    t.same(requests(idle), ['25m', '128Mi'])
    t.match(idle.spec.containers[0]?.resources?.limits, { cpu: '1000m', memory: '2Gi' }, 'the limits stay')
    t.same(requests(shape({ 'agent-type': 'stella-agent' })), ['250m', '512Mi'], 'a pod of no pool is full')
    const defaults = { requests: { cpu: '250m', memory: '512Mi' } }
    const byLimitRange = 'LimitRanger plugin set: cpu, memory request for container agent'
    const note = { 'kubernetes.io/limit-ranger': byLimitRange }
    t.same(
      requests(shape(pooled, note, { resources: defaults })),
      ['25m', '128Mi'],
      'nor do defaults make it so',
    )

    const resized = (pod: Pod, values: object): Pod => ({
      ...pod,
      spec: {
        ...pod.spec,
        containers: pod.spec.containers.map((one) => ({
          ...one,
          resources: { ...one.resources, requests: { ...one.resources?.requests, ...values } },
        })),
      },
    })
    const update = (before: Pod, after: Pod, by: object = userInfo) =>
      validateReview(
        reviewOf(after, { operation: 'UPDATE', subResource: 'resize', oldObject: before, userInfo: by }),
        thin,
      )
    const full = resized(idle, { cpu: '250m', memory: '512Mi' })
    t.same(violationsIn(idle, thin), [])
    t.same(violationsIn(full, thin), [], 'both sizes are in order')
    t.equal(update(idle, full).kind, 'allowed')
    t.equal(update(full, full).kind, 'allowed')
    const notByRow = { kind: 'denied', violations: [{ rule: 'resources' }] }
    t.match(update(idle, resized(idle, { cpu: '100m' })), notByRow, 'half way')
    t.match(update(idle, resized(idle, { cpu: '250m' })), notByRow, 'one of the two')
    t.match(update(full, resized(idle, { cpu: '500m', memory: '512Mi' })), notByRow, 'more')
    t.match(update(full, idle), notByRow, 'and back')
    t.match(update(idle, full, { username: 'somebody' }), {
      kind: 'denied',
      violations: [{ rule: 'own-pod-changes' }],
    })

    const drift = (pod: Pod, labels = {}) =>
      podDrift(
        { ...pod, metadata: { ...pod.metadata, labels: { ...pod.metadata?.labels, ...labels } } },
        'ai-agents',
        thin,
      )
    t.equal(drift(idle), undefined)
    t.equal(
      drift(full, { session: 's', 'greenroom.dev/state': 'claimed' }),
      undefined,
      'a claimed pod has not drifted',
    )
  },
)

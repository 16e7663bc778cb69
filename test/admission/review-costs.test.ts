import t from 'tap'
import type { Container, Pod, Volume } from '../../src/admission/pod/pod.ts'
import { mostContainers, mostValues, sizeProblems } from '../../src/admission/pod/pod-size.ts'
import type { AdmissionRequest, Answer } from '../../src/admission/review/admission-review.ts'
import { encodeAnswer } from '../../src/admission/review/admission-review.ts'
import { mutateReview, validateReview } from '../../src/admission/review/pod-review.ts'
import { processorMs } from '../support/processor-time.ts'
import { fullPolicy, inForceOf, reviewOf, samplePod } from './pod-samples.ts'

/**
 * One review at a time: a pod whose judgement takes seconds keeps all others waiting. So the time grows with the pod and
 * not with its square, and a pod of more than some size is refused unjudged.
 */

const inForce = inForceOf(fullPolicy)
const container = (name: string, more: object = {}): Container => ({ name, image: 'x', ...more })
const agentLabels = { 'agent-type': 'echo-agent' }
const podOf = (spec: object, labels: Record<string, string> = {}): Pod =>
  samplePod({ labels, spec: { containers: [container('a')], ...spec } })
const inOne = (more: object, spec: object = {}, labels = {}): Pod =>
  podOf({ containers: [container('a', more)], ...spec }, labels)

type Many = <T>(each: (index: number) => T) => T[]
const claims = (many: Many): Volume[] =>
  many((i) => ({ name: `v${i}`, persistentVolumeClaim: { claimName: 'a' } }) as Volume)
const mapOf = (keys: readonly string[]): Record<string, string> =>
  Object.fromEntries(keys.map((key) => [key, 'x']))

/** A list that its author can lengthen, each element wrong where it can be. */
const pods: Record<string, (many: Many) => Pod> = {
  env: (many) => inOne({ env: many((i) => ({ name: `A${i}`, value: '$(B' })) }, {}, agentLabels),
  'env of Secrets': (many) =>
    inOne({ env: many((i) => ({ name: `A${i}`, valueFrom: { secretKeyRef: { name: 's', key: 'k' } } })) }),
  'env that loads code': (many) =>
    inOne({ args: ['x'], env: many((i) => ({ name: `LD_${i}`, value: '' })) }, {}, agentLabels),
  emptyDirs: (many) => podOf({ volumes: many((i) => ({ name: `v${i}`, emptyDir: {} })) }),
  mounts: (many) =>
    inOne(
      { volumeMounts: many((i) => ({ name: `v${i}`, mountPath: `/${i}` })) },
      { volumes: claims(many) },
      agentLabels,
    ),
  hostPaths: (many) => podOf({ volumes: many((i) => ({ name: `v${i}`, hostPath: { path: '/' } })) }),
  tolerations: (many) => podOf({ tolerations: many((i) => ({ key: `k${i}`, operator: 'Exists' })) }),
  'pull Secrets': (many) => podOf({ imagePullSecrets: many((i) => ({ name: `k${i}` })) }),
  'unknown fields': (many) => podOf(mapOf(many((i) => `u${i}`))),
  sysctls: (many) => podOf({ securityContext: { sysctls: many((i) => ({ name: `s${i}`, value: '1' })) } }),
  groups: (many) => podOf({ securityContext: { supplementalGroups: many((i) => i) } }),
  'affinity terms': (many) =>
    podOf({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: many((i) => ({ matchExpressions: [{ key: `a${i}`, operator: 'Exists' }] })),
          },
        },
      },
    }),
  spread: (many) =>
    podOf({
      topologySpreadConstraints: many((i) => ({
        maxSkew: 1,
        topologyKey: `a${i}`,
        whenUnsatisfiable: 'DoNotSchedule',
      })),
    }),
  labels: (many) => podOf({}, mapOf(many((i) => `greenroom.dev/a${i}`))),
  capabilities: (many) =>
    inOne({ securityContext: { capabilities: { add: many((i) => `C${i}`), drop: many((i) => `C${i}`) } } }),
  'host ports': (many) => inOne({ ports: many((i) => ({ containerPort: 1, hostPort: i + 1 })) }),
  'CSI attributes': (many) =>
    podOf({
      volumes: [{ name: 'c', csi: { driver: 'd', volumeAttributes: mapOf(many((i) => `secret${i}`)) } }],
    }),
  finalizers: (many) => {
    const pod = podOf({})
    return { ...pod, metadata: { ...pod.metadata, finalizers: many((i) => `f${i}`) } }
  },
  resources: (many) => inOne({ resources: { limits: mapOf(many((i) => `r${i}`)) } }),
}

/** All containers of a pod may break every rule, and the old pod of an update is judged too. */
const containersOf = (count: number, labels: Record<string, string> = {}, spec: object = {}): Pod =>
  podOf(
    {
      containers: Array.from({ length: count }, (_, i) =>
        container(`c${i}`, { securityContext: { privileged: true, runAsUser: 0 } }),
      ),
      ...spec,
    },
    labels,
  )

/** Every road on which a pod is judged. */
function review(pod: Pod): void {
  const requests: readonly [(request: AdmissionRequest, within: typeof inForce) => Answer, object][] = [
    [mutateReview, {}],
    [mutateReview, { dryRun: true }],
    [validateReview, {}],
    [validateReview, { operation: 'UPDATE', oldObject: structuredClone(pod) }],
  ]
  for (const [judge, over] of requests) encodeAnswer('1', judge(reviewOf(pod, over), inForce), '1')
}

function shortestMs(pod: Pod): number {
  return Math.min(...Array.from({ length: 3 }, () => processorMs(() => review(pod))))
}

/** Quadratic would be 16 times, and seconds. Below this the clock and the collector decide. */
const shortMs = 300

const many =
  (count: number): Many =>
  (each) =>
    Array.from({ length: count }, (_, index) => each(index))

/** As large as a pod with such a list may be. */
function largestCount(make: (many: Many) => Pod): number {
  let count = mostValues
  while (sizeProblems(make(many(count))).length > 0) count = Math.floor(count * 0.9)
  return count
}

void t.test('four times the pod takes about four times as long', (t) => {
  for (const [name, make] of Object.entries(pods)) {
    const largest = largestCount(make)
    const small = shortestMs(make(many(Math.floor(largest / 4))))
    const large = shortestMs(make(many(largest)))
    const isLinear = large < 12 * small || large < shortMs
    t.ok(isLinear, `${name}: ${largest} of them took ${large.toFixed()} ms, a quarter ${small.toFixed()} ms`)
  }
  t.end()
})

void t.test('so does a pod of the most containers that are judged', (t) => {
  const windows = { os: { name: 'windows' } }
  const component = { serviceAccountName: 'session-management-sa' }
  for (const [name, labels, spec] of [
    ['plain', {}, {}],
    ['of a type', agentLabels, {}],
    ['of no type', { 'agent-type': 'nope' }, {}],
    ['Windows', {}, windows],
    ['component', {}, component],
  ] as const) {
    const small = shortestMs(containersOf(mostContainers / 4, labels, spec))
    const large = shortestMs(containersOf(mostContainers, labels, spec))
    const isLinear = large < 12 * small || large < shortMs
    t.ok(isLinear, `${name}: took ${large.toFixed()} ms, a quarter ${small.toFixed()} ms`)
  }
  t.end()
})

void t.test('texts of 1 MB cost no more than their length', (t) => {
  const long = (part: string): string => part.repeat(1_000_000 / part.length)
  const limitRanger = (text: string): Pod => {
    const pod = inOne({ name: long('a') })
    const annotations = { 'kubernetes.io/limit-ranger': `LimitRanger plugin set: ${text}` }
    return { ...pod, metadata: { ...pod.metadata, annotations } }
  }
  const texts: Record<string, Pod> = {
    ...Object.fromEntries(
      ['a', '/', ':', '@', '.', '-', '_', 'a.', 'a/', 'a-', '__', 'a:'].flatMap((part) => [
        [`image ${part}`, inOne({ image: long(part) }, {}, agentLabels)],
        [`path ${part}`, inOne({ volumeMounts: [{ name: 'v', mountPath: long(part) }] }, {}, agentLabels)],
      ]),
    ),
    'name of a variable': inOne(
      { env: [{ name: `LD_${long('A.')}`, valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] },
      {},
      agentLabels,
    ),
    label: podOf({}, { [`greenroom.dev/${long('a.')}`]: 'x' }),
    'LimitRanger: many resources of a long name': limitRanger(
      `${long('r, ')}cpu request for container ${long('a')}`,
    ),
    'LimitRanger: many words': limitRanger(long(' request for container a b')),
    'LimitRanger: many parts': limitRanger(long('cpu request for container a; ')),
    quantity: inOne({ resources: { limits: { cpu: long('1'), memory: long('1e') } } }),
  }
  for (const [name, pod] of Object.entries(texts)) {
    const tookMs = shortestMs(pod)
    // Four reviews. The API server waits for 2 s, and a quadratic one would take minutes.
    t.ok(tookMs < 2_000, `${name}: took ${tookMs.toFixed()} ms`)
  }
  t.end()
})

void t.test('a pod that is too large is refused unjudged, and says why', (t) => {
  const large: Record<string, Pod> = {
    containers: containersOf(mostContainers + 1),
    'init containers': podOf({ initContainers: many(mostContainers)((i) => container(`c${i}`)) }),
    values: podOf({ tolerations: many(mostValues)(() => ({})) }),
    annotations: samplePod({ annotations: mapOf(many(mostValues + 1)(String)) }),
    nesting: podOf({ deep: nested(mostValues) }),
  }
  for (const [name, pod] of Object.entries(large)) {
    for (const judge of [mutateReview, validateReview]) {
      const answer = judge(reviewOf(pod), inForce)
      t.match(
        answer,
        { kind: 'denied', violations: [{ rule: 'malformed', fix: / (at most|more than) / }] },
        name,
      )
    }
  }
  t.same(sizeProblems(containersOf(mostContainers)), [])
  t.same(sizeProblems(undefined), [])
  t.end()
})

function nested(depth: number): unknown {
  let value: unknown = {}
  for (let level = 0; level < depth; level += 1) value = [value]
  return value
}

void t.test('a pod that was too large before stays deletable', (t) => {
  const old = containersOf(mostContainers + 1)
  const held = { ...old, metadata: { ...old.metadata, finalizers: ['example.org/hold'] } }
  const update = { operation: 'UPDATE', oldObject: held } as const
  t.match(validateReview(reviewOf(old, update), inForce), { kind: 'allowed' })
  t.match(
    validateReview(reviewOf(old, { ...update, subResource: 'status' }), inForce),
    { kind: 'allowed' },
    'by its status too',
  )
  t.end()
})

void t.test('an answer lists no more causes than somebody would read', (t) => {
  const answer = mutateReview(reviewOf(podOf({ tolerations: many(5_000)(() => ({ key: 'k' })) })), inForce)
  t.equal(answer.kind === 'denied' && answer.violations.length, 5_000)
  const { status } = encodeAnswer('1', answer, '1').response
  t.match(status, { message: /; and 4990 more$/ })
  t.equal((status as { details: { causes: unknown[] } }).details.causes.length, 100)
  t.end()
})

void t.test('a name of 1 MB is not repeated in an answer', (t) => {
  const valueFrom = { secretKeyRef: { name: 's', key: 'k' } }
  const env = many(10)((i) => ({ name: `A${i}${'A'.repeat(100_000)}`, valueFrom }))
  const answer = mutateReview(reviewOf(inOne({ env })), inForce)
  t.equal(answer.kind, 'denied')
  const length = JSON.stringify(encodeAnswer('1', answer, '1')).length
  t.ok(length < 50_000, `${length} characters`)
  t.end()
})

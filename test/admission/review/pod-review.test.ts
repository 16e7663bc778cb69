import jsonPatch, { type Operation } from 'fast-json-patch'
import t from 'tap'
import type { Pod } from '../../../src/admission/pod/pod.ts'
import type { AdmissionRequest, Answer } from '../../../src/admission/review/admission-review.ts'
import { mutateReview, validateReview } from '../../../src/admission/review/pod-review.ts'
import { processorMs } from '../../support/processor-time.ts'
import { mutated } from '../pod-creation.ts'
import { greenroomUser, inForce, inForceOf, policy, reviewOf, samplePod } from '../pod-samples.ts'

const hardened = (pod: Pod = samplePod()): Pod => mutated(pod, inForce)
const codesOf = (answer: Answer): string[] =>
  answer.kind === 'denied' ? answer.violations.map(({ code }) => code) : []
const pathsOf = (answer: Answer): string[] =>
  answer.kind === 'denied' ? answer.violations.map(({ path }) => path) : []
const validate = (object: unknown, overrides: Partial<AdmissionRequest> = {}): Answer =>
  validateReview(reviewOf(object, overrides), inForce)

void t.test('mutation answers with a patch that makes the pod pass validation', async (t) => {
  const pod = samplePod()
  const answer = mutateReview(reviewOf(pod), inForce)
  if (answer.kind !== 'patched') return t.fail(JSON.stringify(answer))
  const after = jsonPatch.applyPatch(structuredClone(pod), answer.patch as Operation[], true).newDocument
  t.equal(validate(after).kind, 'allowed')
  t.match(mutateReview(reviewOf(after), inForce), { kind: 'patched', patch: [] })
})

void t.test(
  'mutation refuses at once what it cannot put right, and an unknown type with that reason alone',
  async (t) => {
    t.same(codesOf(mutateReview(reviewOf(samplePod({ spec: { hostNetwork: true } })), inForce)), [
      'GRN_POLICY_VIOLATION',
    ])
    t.same(codesOf(mutateReview(reviewOf(samplePod({ labels: { 'agent-type': 'nobody' } })), inForce)), [
      'GRN_AGENT_TYPE_UNKNOWN',
    ])
  },
)

void t.test('only new pods are mutated', async (t) => {
  const pod = samplePod()
  const others: Partial<AdmissionRequest>[] = [
    { operation: 'UPDATE', oldObject: pod },
    { operation: 'DELETE', object: null },
    { subResource: 'binding' },
    { resource: { group: 'apps', version: 'v1', resource: 'deployments' } },
  ]
  for (const overrides of others) t.equal(mutateReview(reviewOf(pod, overrides), inForce).kind, 'allowed')
})

void t.test('null objects and things that are no pods never crash', async (t) => {
  for (const object of [null, undefined, 7, 'pod', [], {}, { spec: null }, { spec: { containers: null } }]) {
    for (const operation of ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'] as const) {
      const review = reviewOf(object, { operation, oldObject: object })
      const expected = operation === 'CREATE' || operation === 'UPDATE' ? 'denied' : 'allowed'
      t.equal(validateReview(review, inForce).kind, expected, `${operation} ${JSON.stringify(object)}`)
      t.equal(mutateReview(review, inForce).kind, operation === 'CREATE' ? 'denied' : 'allowed')
    }
  }
})

void t.test('creation: labels of Greenroom come from Greenroom alone', async (t) => {
  const labels = { 'agent-type': 'echo-agent', 'greenroom.dev/pool': 'echo-agent' }
  const foreign = mutateReview(reviewOf(samplePod({ labels })), inForce)
  t.match(foreign, {
    violations: [{ code: 'GRN_LABEL_OWNERSHIP', path: 'metadata.labels[greenroom.dev/pool]' }],
  })
  const own = mutateReview(
    reviewOf(samplePod({ labels }), { userInfo: { username: greenroomUser } }),
    inForce,
  )
  t.equal(own.kind, 'patched')
  const session = samplePod({ labels: { 'agent-type': 'echo-agent', session: 's' } })
  t.same(pathsOf(mutateReview(reviewOf(session), inForce)), ['metadata.labels[session]'])
  t.same(pathsOf(mutateReview(reviewOf(session, { userInfo: {} }), inForce)), ['metadata.labels[session]'])
})

void t.test("creation: what the mutator writes over is nobody's forgery, everything else is", async (t) => {
  t.equal(validate(hardened()).kind, 'allowed')
  const forged = samplePod({ annotations: { 'greenroom.dev/template-hash': '00' } })
  t.match(pathsOf(mutateReview(reviewOf(forged), inForce)), [/^metadata\.annotations\[greenroom\.dev/])
  t.match(codesOf(validate({ ...hardened(), metadata: forged.metadata })), ['GRN_LABEL_OWNERSHIP'])
  // Shaped by a replica that has yesterday's policy or keys, and looked at by one that has today's.
  const stale = { 'greenroom.dev/assign-key-ids': 'k0', 'greenroom.dev/policy-version': '0' }
  t.equal(
    validate({ ...hardened(), metadata: { ...hardened().metadata, annotations: stale } }).kind,
    'allowed',
  )
  const written = mutated(samplePod({ annotations: stale }), inForce).metadata?.annotations
  t.match(written, {
    'greenroom.dev/assign-key-ids': 'k2,k1',
    'greenroom.dev/policy-version': policy.version,
  })
  t.equal(mutateReview(reviewOf(samplePod({ annotations: stale })), inForce).kind, 'patched')
  const trial = inForceOf({ ...policy, rollout: { audit: ['ai-agents'] } })
  t.equal(
    mutateReview(reviewOf(samplePod({ annotations: stale })), trial).kind,
    'denied',
    'nothing is written there',
  )
})

void t.test(
  'updates: unchanged labels pass, changed ones only from Greenroom, by status and binding too',
  async (t) => {
    const labels = { 'agent-type': 'stella-agent', 'greenroom.dev/state': 'idle' }
    const before = hardened(samplePod({ labels }))
    const after = {
      ...before,
      metadata: {
        ...before.metadata,
        labels: { ...before.metadata?.labels, 'greenroom.dev/state': 'claimed' },
      },
    }
    const update = { operation: 'UPDATE', oldObject: before } as const
    for (const subResource of ['', 'status', 'resize', 'ephemeralcontainers']) {
      t.equal(validate(before, { ...update, subResource }).kind, 'allowed', `unchanged by ${subResource}`)
      t.same(codesOf(validate(after, { ...update, subResource })), ['GRN_LABEL_OWNERSHIP'])
      const own = { ...update, subResource, userInfo: { username: greenroomUser } }
      t.equal(validate(after, own).kind, 'allowed')
    }
    const removed = { ...before, metadata: { labels: { 'agent-type': 'stella-agent' } } }
    t.match(codesOf(validate(removed, { ...update, subResource: 'status' })), ['GRN_LABEL_OWNERSHIP'])
    const binding = { metadata: { name: 'p', labels: { session: 'mine' } }, target: { name: 'node' } }
    t.same(codesOf(validate(binding, { subResource: 'binding' })), ['GRN_LABEL_OWNERSHIP'])
    t.equal(validate({ metadata: { name: 'p' } }, { subResource: 'binding' }).kind, 'allowed')
  },
)

void t.test("updates: an old pod's old faults pass, new ones do not", async (t) => {
  const old = samplePod()
  const update = { operation: 'UPDATE', oldObject: old } as const
  const labelled = { ...old, metadata: { labels: { ...old.metadata?.labels, team: 'blue' } } }
  t.equal(validate(labelled, update).kind, 'allowed')
  const resized = samplePod({ container: { resources: { limits: { cpu: '64' } } } })
  t.same(pathsOf(validate(resized, { ...update, subResource: 'resize' })), [
    'spec.containers[0].resources.limits',
  ])
  const debug = { ...old, spec: { ...old.spec, ephemeralContainers: [{ name: 'd', image: 'x' }] } }
  t.match(pathsOf(validate(debug, { ...update, subResource: 'ephemeralcontainers' })), [
    /^spec\.ephemeralContainers\[0\]/,
  ])
})

void t.test('updates: a debug container is judged even where the row is gone', async (t) => {
  const old = samplePod({ labels: { 'agent-type': 'removed' } })
  const debug = {
    ...old,
    spec: { ...old.spec, ephemeralContainers: [{ name: 'd', securityContext: { privileged: true } }] },
  }
  const answer = validate(debug, { operation: 'UPDATE', oldObject: old, subResource: 'ephemeralcontainers' })
  t.match(pathsOf(answer), ['spec.ephemeralContainers[0].securityContext.privileged'])
})

void t.test('subresources: harmless ones pass, unknown ones are judged in full', async (t) => {
  for (const subResource of ['exec', 'attach', 'portforward', 'eviction', 'proxy']) {
    t.equal(validate(samplePod(), { subResource }).kind, 'allowed')
  }
  t.equal(validate(samplePod(), { subResource: 'tomorrow' }).kind, 'denied')
})

void t.test('a million slashes cost no time', async (t) => {
  const mountPath = `${'/'.repeat(1_000_000)}x`
  const pod = samplePod({ container: { volumeMounts: [{ name: 'v', mountPath }] } })
  // Quadratic would be minutes.
  t.ok(processorMs(() => mutateReview(reviewOf(pod), inForce)) < 1_000)
})

void t.test('of two long values that are shown alike, only the older one is excused', async (t) => {
  const long = `evil.example/${'a'.repeat(100)}`
  const of = (image: string, labels = {}): Pod => {
    const pod = hardened(samplePod({ labels: { 'agent-type': 'stella-agent', ...labels } }))
    return {
      ...pod,
      spec: { ...pod.spec, containers: pod.spec.containers.map((one) => ({ ...one, image })) },
    }
  }
  const update = { operation: 'UPDATE', oldObject: of(`${long}:1`) } as const
  t.match(validate(of(`${long}:2`), update), { kind: 'denied', violations: [{ rule: 'images' }] })
  t.equal(validate(of(`${long}:1`, { team: 'a' }), update).kind, 'allowed')
})

void t.test('nor of two annotations', async (t) => {
  const of = (profile: string, more = {}): Pod => {
    const pod = hardened()
    const key = 'container.apparmor.security.beta.kubernetes.io/agent'
    return {
      ...pod,
      metadata: { ...pod.metadata, annotations: { ...pod.metadata?.annotations, [key]: profile, ...more } },
    }
  }
  const long = 'x'.repeat(100)
  const update = { operation: 'UPDATE', oldObject: of(`${long}1`) } as const
  t.match(validate(of(`${long}2`), update), { kind: 'denied', violations: [{ rule: 'apparmor' }] })
})

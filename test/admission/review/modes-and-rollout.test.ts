import jsonPatch, { type Operation } from 'fast-json-patch'
import t from 'tap'
import type { Pod } from '../../../src/admission/pod/pod.ts'
import type { AdmissionRequest } from '../../../src/admission/review/admission-review.ts'
import { mutateReview, validateReview } from '../../../src/admission/review/pod-review.ts'
import { mutated } from '../pod-creation.ts'
import { greenroomUser, inForce, inForceOf, policy, reviewOf, samplePod } from '../pod-samples.ts'

const relaxed = inForceOf({ ...policy, modes: { probes: 'warn', 'grace-period': 'audit' } })
const trial = inForceOf({ ...policy, rollout: { audit: ['trial'] } })
const inTrial = (pod: Pod, overrides: Partial<AdmissionRequest> = {}): AdmissionRequest =>
  reviewOf(pod, { namespace: 'trial', ...overrides })

void t.test(
  'a rule that is not enforced changes nothing; one that warns says so, one that audits notes it',
  async (t) => {
    const pod = samplePod({ spec: { terminationGracePeriodSeconds: 7 } })
    const answer = mutateReview(reviewOf(pod), relaxed)
    if (answer.kind !== 'patched') return t.fail(JSON.stringify(answer))
    const after = jsonPatch.applyPatch(structuredClone(pod), answer.patch as Operation[]).newDocument
    t.equal(after.spec.terminationGracePeriodSeconds, 7)
    t.notOk(after.spec.containers[0]?.livenessProbe)
    const judged = validateReview(reviewOf(after), relaxed)
    t.equal(judged.kind, 'allowed')
    t.match(judged.warnings, [/livenessProbe is unset/, /readinessProbe is unset/])
    t.match(
      judged.audit?.['not-enforced'],
      /probes spec\.containers\[0\]\.livenessProbe; .*grace-period spec\./,
    )
    t.same(
      judged.noted?.map(({ rule, mode }) => [rule, mode]),
      [
        ['probes', 'warn'],
        ['probes', 'warn'],
        ['grace-period', 'audit'],
      ],
    )
  },
)

void t.test('what is enforced still denies beside what is not', async (t) => {
  const pod = mutated(samplePod({ spec: { hostPID: true } }), relaxed)
  const answer = validateReview(reviewOf(pod), relaxed)
  t.match(answer, {
    kind: 'denied',
    violations: [{ rule: 'host-namespaces' }],
    noted: [{ rule: 'probes' }, {}],
  })
  t.equal(answer.kind === 'denied' && answer.violations.length, 1)
})

void t.test('a volume of which one rule warns and another denies is denied', async (t) => {
  const narrow = inForceOf({
    ...policy,
    defaults: { ...policy.defaults, volumeKinds: ['emptyDir', 'configMap'] },
    modes: { 'allowed-volumes': 'warn' },
  })
  const own = { name: 'own', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }
  const answer = mutateReview(reviewOf(samplePod({ spec: { volumes: [own] } })), narrow)
  t.match(answer, { kind: 'denied', violations: [{ rule: 'projected-token' }] })
})

void t.test('a warning at the very field that another rule denies does not stand in its place', async (t) => {
  const narrow = inForceOf({
    ...policy,
    defaults: { ...policy.defaults, volumeKinds: ['emptyDir'] },
    modes: { 'allowed-volumes': 'warn' },
  })
  const pod = mutated(samplePod(), narrow)
  const own = pod.spec.volumes?.map((volume) =>
    volume.name.startsWith('greenroom-') ? { name: volume.name, configMap: { name: 'full' } } : volume,
  )
  const answer = validateReview(reviewOf({ ...pod, spec: { ...pod.spec, volumes: own } }), narrow)
  t.match(answer, {
    kind: 'denied',
    violations: [{ rule: 'writable-paths', path: /^spec\.volumes\[\d\]$/ }],
    noted: [{ rule: 'allowed-volumes', mode: 'warn', path: /^spec\.volumes\[\d\]$/ }],
  })
})

void t.test('roll-out: nothing changed, nothing denied, everything told once', async (t) => {
  const pod = samplePod({ container: { securityContext: { privileged: true } } })
  const answer = mutateReview(inTrial(pod), trial)
  t.equal(answer.kind, 'allowed')
  t.match(answer.warnings, [
    /not enforced in namespace trial: GRN_POLICY_VIOLATION: .*privileged/,
    /would change \/metadata\/annotations, \/metadata\/labels\/app, .*\/spec\//,
  ])
  t.match(answer.audit?.['not-enforced'], /^privileged spec\..*would change/)
  t.match(answer.noted, [{ rule: 'privileged', mode: 'audit' }])
  t.same(validateReview(inTrial(pod), trial), { kind: 'allowed' }, 'the mutating webhook has told')
  t.equal(mutateReview(reviewOf(pod), trial).kind, 'denied', 'other namespaces are as ever')
  const clean = mutated(samplePod(), trial)
  t.same(mutateReview(inTrial(clean), trial), { kind: 'allowed' })
  const update = { operation: 'UPDATE', oldObject: clean } as const
  const worse = { ...clean, spec: { ...clean.spec, hostIPC: true } }
  t.match(validateReview(inTrial(worse, update), trial), {
    kind: 'allowed',
    noted: [{ rule: 'host-namespaces' }],
  })
})

void t.test(
  "roll-out: Greenroom's pods are treated in full, and its labels and accounts stay its own",
  async (t) => {
    const labels = { 'agent-type': 'echo-agent', 'greenroom.dev/pool': 'echo-agent' }
    const pooled = samplePod({ labels })
    const own = { userInfo: { username: greenroomUser } }
    t.equal(mutateReview(inTrial(pooled, own), trial).kind, 'patched')
    t.equal(mutateReview(inTrial(samplePod(), own), trial).kind, 'patched')
    t.match(mutateReview(inTrial(pooled), trial), {
      kind: 'denied',
      violations: [{ rule: 'label-ownership' }],
    })
    const borrowed = samplePod({ spec: { serviceAccountName: 'session-management-sa' } })
    t.match(mutateReview(inTrial(borrowed), trial), {
      kind: 'denied',
      violations: [{ rule: 'service-account' }],
    })
    const hardened = mutated(pooled, trial)
    const debug = {
      ...hardened.spec,
      ephemeralContainers: [{ name: 'd', securityContext: { privileged: true } }],
    }
    const update = { operation: 'UPDATE', oldObject: hardened, subResource: 'ephemeralcontainers' } as const
    t.equal(validateReview(inTrial({ ...hardened, spec: debug }, update), trial).kind, 'denied')
  },
)

void t.test(
  "roll-out: an account that a row would give does not hide Greenroom's, which the pod keeps",
  async (t) => {
    const agentTypes = {
      ...policy.agentTypes,
      'stella-agent': { ...policy.agentTypes['stella-agent'], serviceAccountName: 'agents' },
    }
    const within = inForceOf({ ...policy, agentTypes, rollout: { audit: ['trial'] } })
    const spec = { serviceAccountName: 'session-management-sa' }
    const container = { image: 'evil:1', command: ['sh'] }
    const refused = { kind: 'denied', violations: [{ rule: 'service-account' }] }
    for (const labels of [{ 'agent-type': 'stella-agent' }, { 'agent-type': 'unknown' }, {}]) {
      const pod = samplePod({ labels, container, spec })
      t.match(mutateReview(inTrial(pod), within), refused)
      t.match(validateReview(inTrial(pod), within), refused)
    }
    const other = samplePod({ container, spec: { serviceAccountName: 'default' } })
    t.equal(mutateReview(inTrial(other), within).kind, 'allowed')
  },
)

void t.test(
  "roll-out: the Secrets of Greenroom's own pods are for nobody else, other Secrets are not judged",
  async (t) => {
    const holding = (secret: string, labels: Record<string, string>): Pod[] => [
      samplePod({
        labels,
        container: { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: secret, key: 'A' } } }] },
      }),
      samplePod({ labels, container: { envFrom: [{ secretRef: { name: secret } }] } }),
      samplePod({ labels, spec: { volumes: [{ name: 'v', secret: { secretName: secret } }] } }),
      samplePod({
        labels,
        spec: { volumes: [{ name: 'v', projected: { sources: [{ secret: { name: secret } }] } }] },
      }),
      samplePod({
        labels,
        spec: { volumes: [{ name: 'v', csi: { nodePublishSecretRef: { name: secret } } }] },
      }),
    ]
    const refused = { kind: 'denied', violations: [{ rule: 'component-secrets' }] }
    for (const labels of [{}, { 'agent-type': 'stella-agent' }, { 'agent-type': 'unknown' }]) {
      for (const secret of ['session-management-server', 'greenroom-assign-key', 'greenroom-migrate']) {
        for (const pod of holding(secret, labels)) {
          t.match(mutateReview(inTrial(pod), trial), refused, secret)
          t.match(validateReview(inTrial(pod), trial), refused, secret)
        }
      }
      for (const pod of holding('their-own', labels))
        t.equal(mutateReview(inTrial(pod), trial).kind, 'allowed')
    }
    const [held] = holding('greenroom-assign-key', {})
    if (!held) return t.fail('there is one')
    const labelled = { ...held, metadata: { labels: { team: 'a' } } }
    const update = { operation: 'UPDATE', oldObject: held } as const
    t.equal(
      validateReview(inTrial(labelled, update), trial).kind,
      'allowed',
      'an older pod may still be labelled',
    )
    t.match(mutateReview(reviewOf(held), inForce), {
      kind: 'denied',
      violations: [{ rule: 'secret-references' }],
    })
  },
)

void t.test('only new debug containers are hardened, and nothing else of them', async (t) => {
  const old = { name: 'old', image: 'stella-agent:1' }
  const before = mutated(samplePod(), inForce)
  const oldObject = { ...before, spec: { ...before.spec, ephemeralContainers: [old] } }
  const pod = {
    ...before,
    spec: { ...before.spec, ephemeralContainers: [old, { name: 'new', image: 'stella-agent:1' }] },
  }
  const update = { operation: 'UPDATE', oldObject, subResource: 'ephemeralcontainers' } as const
  const answer = mutateReview(reviewOf(pod, update), inForce)
  if (answer.kind !== 'patched') return t.fail(JSON.stringify(answer))
  t.same(
    answer.patch.map(({ path }) => path),
    ['/spec/ephemeralContainers/1/securityContext'],
  )
  const after = jsonPatch.applyPatch(structuredClone(pod), answer.patch as Operation[]).newDocument
  t.equal(validateReview(reviewOf(after, update), inForce).kind, 'allowed')
  t.match(mutateReview(reviewOf(after, update), inForce), { patch: [] })
})

void t.test('a new pod of a pool says nothing of a session, not even from Greenroom', async (t) => {
  const labels = { 'agent-type': 'echo-agent', 'greenroom.dev/pool': 'echo-agent', session: 's' }
  const own = { userInfo: { username: greenroomUser } }
  t.match(mutateReview(reviewOf(samplePod({ labels }), own), inForce), {
    kind: 'denied',
    violations: [{ rule: 'pool-credentials', path: 'metadata.labels[session]' }],
  })
  const pool = { 'agent-type': 'echo-agent', 'greenroom.dev/pool': 'echo-agent' }
  for (const env of [
    { name: 'LIVEKIT_TOKEN', value: 'hidden' },
    { name: 'X', valueFrom: { secretKeyRef: { name: 'agent-secrets', key: 'LIVEKIT_API_SECRET' } } },
  ]) {
    const answer = mutateReview(
      reviewOf(samplePod({ labels: pool, container: { env: [env] } }), own),
      inForce,
    )
    t.match(answer, { kind: 'denied', violations: [{ rule: 'pool-credentials' }] })
    t.notMatch(JSON.stringify(answer), /hidden/)
  }
})

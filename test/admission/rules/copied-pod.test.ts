import jsonPatch from 'fast-json-patch'
import t from 'tap'
import { explainPod } from '../../../src/admission/explain/explain-pod.ts'
import type { Container, Metadata, Pod } from '../../../src/admission/pod/pod.ts'
import type { Answer } from '../../../src/admission/review/admission-review.ts'
import { mutateReview, validateReview } from '../../../src/admission/review/pod-review.ts'
import { mutated } from '../pod-creation.ts'
import { greenroomUser, inForce, inForceOf, policy, reviewOf, samplePod } from '../pod-samples.ts'

/** An agent pod of a pool as it runs; its container has a name of its own. */
const original = mutated(
  samplePod({
    labels: { 'agent-type': 'stella-agent', 'greenroom.dev/pool': 'stella-agent', session: 's-1' },
    annotations: { 'greenroom.dev/template-hash': '00', 'greenroom.dev/explain': 'true', team: 'blue' },
    container: { name: 'main', image: 'stella-agent:1.0.0' },
  }),
)
const debuggerOf = (securityContext: object): Container => ({
  name: 'debugger-x7k2p',
  image: 'stella-agent:1.0.0',
  securityContext: { ...securityContext },
})

/** As `kubectl debug --copy-to` makes it: without labels, annotations and probes, with one more container. */
function copyOf(pod: Pod, metadata: Metadata = {}, securityContext: object = {}): Pod {
  const containers = pod.spec.containers.map((given) => {
    const { livenessProbe: _l, readinessProbe: _r, ...container } = given
    return container
  })
  return { metadata, spec: { ...pod.spec, containers: [...containers, debuggerOf(securityContext)] } }
}

/** Both webhooks, as the API server asks them. */
function created(pod: Pod, username = 'alice', within = inForce): { answer: Answer; pod: Pod } {
  const request = { userInfo: { username } }
  const answer = mutateReview(reviewOf(pod, request), within)
  const patch = answer.kind === 'patched' ? answer.patch : []
  const made = jsonPatch.applyPatch(structuredClone(pod), structuredClone(patch) as never[], true).newDocument
  const last = answer.kind === 'denied' ? answer : validateReview(reviewOf(made, request), within)
  return { answer: last, pod: made }
}

void t.test('a copy without labels is a pod of the type of its original', async (t) => {
  const { answer, pod } = created(copyOf(original))
  t.same(answer, { kind: 'allowed' })
  t.same(pod.metadata?.labels, { 'agent-type': 'stella-agent', app: 'conversational-ai-agent' })
  const [agent, debug] = pod.spec.containers
  t.same(agent?.env, original.spec.containers[0]?.env, 'what was injected is there once, as it was')
  t.ok(agent?.livenessProbe)
  t.notOk(debug?.env, 'the other container holds no secret')
})

void t.test('a copy with all labels is not of the pool and not of the session', async (t) => {
  const { answer, pod } = created(copyOf(original, original.metadata))
  t.same(answer, { kind: 'allowed' })
  t.same(pod.metadata?.labels, { 'agent-type': 'stella-agent', app: 'conversational-ai-agent' })
  t.same(pod.metadata?.annotations, {
    'greenroom.dev/policy-version': '1',
    'greenroom.dev/policy-digest': '1-082fc010d2da4eea',
    'greenroom.dev/assign-key-ids': 'k2,k1',
    'greenroom.dev/explain': 'true',
    team: 'blue',
  })
  t.same(created(pod).pod, pod, 'and a copy of the copy is the same')
})

void t.test('a pod that only looks like one gains nothing', async (t) => {
  const labels = { 'agent-type': 'stella-agent', 'greenroom.dev/pool': 'stella-agent' }
  const env = original.spec.containers[0]?.env ?? []
  for (const left of ['GREENROOM_POD_UID', 'GREENROOM_ASSIGN_KEYS']) {
    const some = env.filter(({ name }) => name !== left)
    const { answer } = created(samplePod({ labels, container: { env: some } }))
    t.match(answer, { kind: 'denied', violations: [{ code: 'GRN_LABEL_OWNERSHIP' }] }, left)
  }
  const owned = { ...original.metadata, ownerReferences: [{ controller: true }] }
  t.match(
    created(copyOf(original, owned)).answer,
    { kind: 'denied', violations: [{ code: 'GRN_LABEL_OWNERSHIP' }] },
    'a pod of a ReplicaSet keeps its labels, or the ReplicaSet would make another one without end',
  )
  const other = env.map((entry) =>
    entry.name === 'GREENROOM_AGENT_TYPE' ? { ...entry, value: 'nobody' } : entry,
  )
  const { pod } = created(samplePod({ labels: {}, container: { env: other } }))
  t.notMatch(JSON.stringify(pod), /agent-secrets|GREENROOM_/, 'of a type that is gone: a plain pod')
})

void t.test('Greenroom itself sets what it likes', async (t) => {
  const labels = { 'agent-type': 'stella-agent', 'greenroom.dev/pool': 'stella-agent' }
  const { pod } = created({ ...original, metadata: { labels } }, greenroomUser)
  t.match(pod.metadata?.labels, labels)
})

void t.test('in a namespace of the roll-out nothing is changed, so its labels are refused', async (t) => {
  const trial = inForceOf({ ...policy, rollout: { audit: ['ai-agents'] } })
  const { answer } = created(copyOf(original, { labels: { session: 's-1' } }), 'alice', trial)
  t.match(answer, { kind: 'denied', violations: [{ path: 'metadata.labels[session]' }] })
})

void t.test('a profile that does not work names the one that does', async (t) => {
  const general = { capabilities: { add: ['SYS_PTRACE'] } }
  const hint = /Remove every other added capability\. With kubectl debug use --profile=restricted\.$/
  t.match(created(copyOf(original, {}, general)).answer, {
    kind: 'denied',
    violations: [{ rule: 'capabilities-add', fix: hint }],
  })
  const debugged = (securityContext: object) => ({
    ...original,
    spec: { ...original.spec, ephemeralContainers: [debuggerOf(securityContext)] },
  })
  const debug = (securityContext: object): Answer =>
    mutateReview(
      reviewOf(debugged(securityContext), {
        operation: 'UPDATE',
        subResource: 'ephemeralcontainers',
        oldObject: original,
      }),
      inForceOf({ ...policy, debugPools: 'allow' }),
    )
  t.match(debug(general), { kind: 'denied', violations: [{ rule: 'capabilities-add', fix: hint }] })
  t.match(debug({}), { kind: 'patched' })
  const others = created(samplePod({ container: { securityContext: general } })).answer
  t.match(others, { kind: 'denied', violations: [{ fix: /capability\.$/ }] }, 'nobody else hears of it')
})

void t.test('a copy that may not be of its type is a plain pod without a Secret', async (t) => {
  const pinned = structuredClone(policy)
  const row = pinned.agentTypes['stella-agent']
  if (row) row.images = { allowed: ['stella-agent:1.0.0'], digest: 'allowed' }
  const copy = copyOf(original)
  const [, debug] = copy.spec.containers
  if (debug) debug.image = 'busybox:1'
  const within = inForceOf(pinned)
  t.match(mutateReview(reviewOf(copy), within), {
    warnings: [/^This copy of an agent pod may not be of the type/],
  })
  const { answer, pod } = created(copy, 'alice', within)
  t.same(answer, { kind: 'allowed' })
  t.same(pod.metadata?.labels ?? {}, {}, 'a plain pod')
  t.same(pod.spec.containers[0]?.env, [])
  t.notMatch(JSON.stringify(pod), /agent-secrets|GREENROOM_/)
  t.same(created(pod, 'alice', within).pod, pod)
  const labelled = { ...copy, metadata: { labels: { 'agent-type': 'stella-agent' } } }
  t.match(created(labelled, 'alice', within).answer, { kind: 'denied', violations: [{ rule: 'images' }] })
  const explained = explainPod(copy, { namespace: 'ai-agents', inForce: within, username: 'alice' })
  t.equal(explained.decision, 'changed')
  t.same(
    explained.changes.filter(({ rule }) => rule === 'unexplained'),
    [],
  )
})

void t.test('a copy of a pod that an older version shaped is a plain pod as well', async (t) => {
  const fieldRef = { fieldPath: "metadata.labels['agent-type']" }
  const older = structuredClone(original)
  for (const entry of older.spec.containers[0]?.env ?? []) {
    if (entry.name !== 'GREENROOM_AGENT_TYPE') continue
    delete entry.value
    entry.valueFrom = { fieldRef }
  }
  const { answer, pod } = created(copyOf(older))
  t.same(answer, { kind: 'allowed' })
  t.notMatch(JSON.stringify(pod), /agent-secrets|GREENROOM_/)
  t.match(created(copyOf(older, original.metadata)).pod.metadata?.labels, { 'agent-type': 'stella-agent' })
})

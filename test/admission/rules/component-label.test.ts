import t from 'tap'
import type { Pod } from '../../../src/admission/pod/pod.ts'
import { mutateReview, validateReview } from '../../../src/admission/review/pod-review.ts'
import { greenroomUser, inForce, inForceOf, policy, reviewOf, samplePod, serverEnv } from '../pod-samples.ts'

/** Services and network policies select by greenroom.dev/component. Who gets it? */

const component = 'greenroom.dev/component'
const name = 'session-management-server'

function server(labels: Record<string, string>, image = 'greenroom:0.1.0'): Pod {
  return samplePod({
    labels,
    container: {
      image,
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
}

const denied = (path: string) => ({ kind: 'denied', violations: [{ code: 'GRN_LABEL_OWNERSHIP', path }] })
const componentPath = `metadata.labels[${component}]`

void t.test('admission gives a component its name, whoever makes it', async (t) => {
  t.match(mutateReview(reviewOf(server({ app: name })), inForce), {
    kind: 'patched',
    patch: [{ op: 'add', path: '/metadata/labels/greenroom.dev~1component', value: name }],
    rules: ['component-label'],
  })
  const named = server({ app: name, [component]: name })
  t.match(mutateReview(reviewOf(named), inForce), { kind: 'patched', patch: [] })
  t.equal(validateReview(reviewOf(named), inForce).kind, 'allowed')
  // Another webhook took it away.
  t.match(validateReview(reviewOf(server({ app: name })), inForce), {
    violations: [{ rule: 'component-label', found: 'unset' }],
  })
  t.match(mutateReview(reviewOf(server({ [component]: 'livekit' })), inForce), denied(componentPath))
})

void t.test('also in a namespace where the policy is only tried out', async (t) => {
  const trial = inForceOf({ ...policy, rollout: { audit: ['ai-agents'] } })
  t.match(mutateReview(reviewOf(server({})), trial), { kind: 'patched', rules: ['component-label'] })
})

void t.test('a row without a name has that of its account', async (t) => {
  const [first] = policy.components
  if (!first) return t.fail('the base has a component')
  const { name: _name, ...unnamed } = first
  const within = inForceOf({ ...policy, components: [unnamed] })
  t.match(mutateReview(reviewOf(server({})), within), {
    patch: [{ path: '/metadata/labels/greenroom.dev~1component', value: 'session-management-sa' }],
  })
})

void t.test('nobody else gets it, nor the label app of a component', async (t) => {
  for (const labels of [{ [component]: name }, { [component]: 'anything' }]) {
    for (const pod of [
      samplePod({ labels }),
      samplePod({ labels: { ...labels, 'agent-type': 'echo-agent' } }),
      server(labels, 'evil:1'),
    ]) {
      for (const review of [mutateReview, validateReview]) {
        t.match(review(reviewOf(pod), inForce), denied(componentPath))
      }
    }
  }
  for (const app of [name, 'greenroom-migrate']) {
    t.match(mutateReview(reviewOf(samplePod({ labels: { app } })), inForce), denied('metadata.labels[app]'))
  }
  t.equal(mutateReview(reviewOf(samplePod({ labels: { app: 'web' } })), inForce).kind, 'patched')
})

void t.test('it does not come later, by any road', async (t) => {
  const before = samplePod({ labels: { team: 'a' } })
  for (const labels of [{ [component]: name }, { app: name }]) {
    const [path] = Object.keys(labels).map((key) => `metadata.labels[${key}]`)
    const after = { ...before, metadata: { labels: { team: 'a', ...labels } } }
    for (const subResource of ['', 'status', 'resize', 'ephemeralcontainers']) {
      const update = reviewOf(after, { operation: 'UPDATE', oldObject: before, subResource })
      t.match(validateReview(update, inForce), denied(path ?? ''), `${path} by ${subResource}`)
    }
    const binding = { metadata: { name: 'p', labels }, target: { name: 'node' } }
    for (const road of [
      { subResource: 'binding' },
      { resource: { group: '', version: 'v1', resource: 'bindings' } },
    ]) {
      t.match(validateReview(reviewOf(binding, road), inForce), denied(path ?? ''))
    }
  }
  // The upgrade of a cluster whose session servers are older than the label.
  const old = server({ app: name })
  const labelled = server({ app: name, [component]: name })
  const update = { operation: 'UPDATE', oldObject: old } as const
  t.match(validateReview(reviewOf(labelled, update), inForce), denied(componentPath))
  const byGreenroom = { ...update, userInfo: { username: greenroomUser } }
  t.equal(validateReview(reviewOf(labelled, byGreenroom), inForce).kind, 'allowed')
})

import fc from 'fast-check'
import t from 'tap'
import { explainPod } from '../../../src/admission/explain/explain-pod.ts'
import { arbitraryPod } from '../arbitrary-pod.ts'
import { mutated } from '../pod-creation.ts'
import { greenroomUser, inForce, samplePod } from '../pod-samples.ts'

const namespace = 'ai-agents'
const explain = (pod: unknown, username?: string) => explainPod(pod, { namespace, inForce, username })
void t.test(
  'no value of an env variable is ever shown, nor what a pod of another agent was given',
  async () => {
    fc.assert(
      fc.property(arbitraryPod, (pod) => {
        const text = JSON.stringify(explain(pod))
        return !/literal-value|sk-very-secret|"kid/.test(text)
      }),
      { numRuns: 300 },
    )
  },
)

void t.test('field by field: was, becomes, why', async (t) => {
  const env = [{ name: 'OPENAI_API_KEY', value: 'sk-literal' }]
  const found = explain(samplePod({ container: { env, securityContext: { runAsUser: 0 } } }))
  t.match(found, {
    policyVersion: '1',
    namespace,
    agentType: 'stella-agent',
    decision: 'changed',
    violations: [],
  })
  const at = (path: string) => found.changes.find((change) => change.path === path)
  t.match(at('spec.containers[agent].securityContext.runAsUser'), {
    was: '0',
    becomes: '1000',
    rule: 'user-ids',
    why: String,
  })
  t.match(at('spec.containers[agent].resources.limits.memory'), { was: 'unset', becomes: '"2Gi"' })
  t.match(at('spec.containers[agent].env[OPENAI_API_KEY].value'), { was: '(hidden)', becomes: 'unset' })
  t.match(at('spec.containers[agent].env[OPENAI_API_KEY].valueFrom'), {
    was: 'unset',
    becomes: /secretKeyRef.*agent-secrets/,
  })
  t.match(at('spec.volumes[kube-api-access-x7k2p]'), { becomes: 'unset', rule: 'service-account-token' })
  t.match(at('spec.volumes[greenroom-tmp]'), { was: 'unset', rule: 'writable-paths' })
  t.match(at('metadata.annotations[greenroom.dev/policy-version]'), { becomes: '"1"' })
  t.match(at('metadata.labels[app]') ?? at('metadata.labels.app'), { rule: 'app-label' })
})

void t.test('containers may be called like fields', async (t) => {
  const pod = samplePod({
    spec: {
      containers: [
        { name: 'env', image: 'x' },
        { name: 'labels', env: [{ name: 'A', value: 'v1' }] },
      ],
    },
  })
  const paths = explain(pod).changes.map(({ path, becomes }) => `${path} ${becomes}`)
  t.ok(paths.includes('spec.containers[env].securityContext.runAsUser 1000'), paths.join('\n'))
  t.ok(paths.includes('spec.containers[labels].securityContext.runAsUser 1000'))
})

void t.test('a denied pod shows its violations and what would be changed all the same', async (t) => {
  const found = explain(samplePod({ spec: { hostNetwork: true } }))
  t.match(found, { decision: 'denied', violations: [{ rule: 'host-namespaces', fix: String }] })
  t.ok(found.changes.length > 5)
  t.match(explain({ spec: 1 }), { decision: 'denied', changes: [], violations: [{ rule: 'malformed' }] })
  t.match(explain(null), { decision: 'denied', agentType: 'unknown' })
  t.match(explain(samplePod({ labels: { 'agent-type': 'x'.repeat(200) } })).agentType.length, 81)
})

void t.test('what went through the policy is left alone', async (t) => {
  const admitted = mutated(samplePod(), inForce)
  t.match(explain(admitted), { decision: 'allowed', changes: [], violations: [] })
})

void t.test('ownership of labels is judged only for somebody', async (t) => {
  const pod = samplePod({ labels: { 'agent-type': 'echo-agent', 'greenroom.dev/pool': 'echo-agent' } })
  t.equal(explain(pod).decision, 'changed')
  t.equal(explain(pod, greenroomUser).decision, 'changed')
  const claimed = samplePod({ labels: { 'agent-type': 'echo-agent', session: 's' } })
  t.notMatch(explain(claimed).violations, [{ rule: String }], 'written when it was claimed')
  t.match(explain(claimed, 'alice').violations, [{ code: 'GRN_LABEL_OWNERSHIP' }])
  t.match(explain(pod, 'alice'), { decision: 'denied', violations: [{ code: 'GRN_LABEL_OWNERSHIP' }] })
})

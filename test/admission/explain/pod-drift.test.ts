import fc from 'fast-check'
import t from 'tap'
import { podDrift } from '../../../src/admission/explain/pod-drift.ts'
import { mutateReview } from '../../../src/admission/review/pod-review.ts'
import { arbitraryPod } from '../arbitrary-pod.ts'
import { mutated } from '../pod-creation.ts'
import { inForce, reviewOf, samplePod } from '../pod-samples.ts'

const drift = (pod: unknown, given = inForce) => podDrift(pod, 'ai-agents', given)

void t.test('a pod that came in through the policy is clean', async () => {
  fc.assert(
    fc.property(arbitraryPod, (pod) => {
      if (mutateReview(reviewOf(pod), inForce).kind === 'denied') return true
      return drift(mutated(pod, inForce)) === undefined
    }),
    { numRuns: 300 },
  )
})

void t.test('a pod that runs has a node, which is no drift', async (t) => {
  const admitted = mutated(samplePod(), inForce)
  t.equal(drift({ ...admitted, spec: { ...admitted.spec, nodeName: 'node-1' } }), undefined)
})

void t.test('another version of the same rules is no drift; another rule is', async (t) => {
  const admitted = mutated(samplePod(), inForce)
  const renamed = { ...inForce, policy: { ...inForce.policy, version: '2' } }
  t.equal(drift(admitted, renamed), undefined)
  const [row] = [inForce.policy.agentTypes['stella-agent']]
  if (!row) return t.fail('the shipped policy has a row stella-agent')
  const changed = {
    ...inForce,
    policy: { ...inForce.policy, agentTypes: { 'stella-agent': { ...row, gracePeriodSeconds: 7 } } },
  }
  t.match(drift(admitted, changed), { drift: 'change', changes: [{ rule: 'grace-period' }] })
})

void t.test('what never was hardened, and what may not be', async (t) => {
  t.match(drift({ ...samplePod(), metadata: { name: 'p' } }), { name: 'p', drift: 'change' })
  t.match(drift(samplePod({ spec: { hostNetwork: true } })), { drift: 'deny' })
  t.match(drift({ metadata: { name: 'odd' } }), { name: 'odd', drift: 'deny' })
})

void t.test('mirror pods and pods that go are not looked at', async (t) => {
  t.equal(drift(samplePod({ annotations: { 'kubernetes.io/config.mirror': 'x' } })), undefined)
  t.equal(drift({ ...samplePod(), metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }), undefined)
})

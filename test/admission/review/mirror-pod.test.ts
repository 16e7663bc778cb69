import t from 'tap'
import { mutateReview, validateReview } from '../../../src/admission/review/pod-review.ts'
import { inForce, reviewOf, samplePod } from '../pod-samples.ts'

const mark = { 'kubernetes.io/config.mirror': '1f4c' }
const node = { username: 'system:node:worker-1', groups: ['system:nodes', 'system:authenticated'] }
const hostPod = (labels: Record<string, string> = {}, annotations = mark) =>
  samplePod({ labels, annotations, spec: { hostNetwork: true } })

void t.test('a mirror pod of a node passes untouched, and the audit log says so', async (t) => {
  const request = reviewOf(hostPod(), { userInfo: node })
  for (const answer of [mutateReview(request, inForce), validateReview(request, inForce)]) {
    t.same(answer, { kind: 'allowed', audit: { 'mirror-pod': 'not-judged' } })
  }
})

void t.test('the annotation alone buys nothing, nor does the name or the group', async (t) => {
  for (const userInfo of [
    { username: 'alice' },
    { username: 'system:node:x' },
    { username: 'alice', groups: ['system:nodes'] },
    {},
  ]) {
    const request = reviewOf(hostPod(), { userInfo })
    t.equal(mutateReview(request, inForce).kind, 'denied')
    t.equal(validateReview(request, inForce).kind, 'denied')
  }
  const unmarked = reviewOf(samplePod({ spec: { hostNetwork: true } }), { userInfo: node })
  t.equal(mutateReview(unmarked, inForce).kind, 'denied', 'a node makes no other pods')
  const becoming = reviewOf(hostPod(), {
    userInfo: node,
    operation: 'UPDATE',
    oldObject: samplePod(),
  })
  t.equal(validateReview(becoming, inForce).kind, 'denied', 'a pod does not become a mirror')
})

void t.test("Greenroom's labels are not for it either", async (t) => {
  const request = reviewOf(hostPod({ 'greenroom.dev/pool': 'echo-agent' }), { userInfo: node })
  t.match(validateReview(request, inForce), {
    kind: 'denied',
    violations: [{ code: 'GRN_LABEL_OWNERSHIP' }],
  })
})

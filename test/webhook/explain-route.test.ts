import t from 'tap'
import { samplePod } from '../admission/pod-samples.ts'
import { reviewBody, startWebhookBed } from './webhook-bed.ts'

void t.test('POST /explain takes a pod, a review or a workload', async (t) => {
  const bed = await startWebhookBed(t)
  const pod = { kind: 'Pod', ...samplePod() }
  const deployment = {
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'ai-agents' },
    spec: { template: samplePod() },
  }
  for (const body of [pod, reviewBody(pod), deployment]) {
    const { status, json } = await bed.post('/explain', body)
    t.equal(status, 200)
    t.match(json, {
      policyVersion: '1',
      agentType: 'stella-agent',
      decision: 'changed',
      changes: [{ path: String, was: String, becomes: String, rule: String, why: String }],
      violations: [],
    })
  }
  t.match((await bed.post('/explain', pod)).json, { namespace: 'default' })
  t.match((await bed.post('/explain?namespace=ai-agents', pod)).json, { namespace: 'ai-agents' })
  t.match((await bed.post('/explain', deployment)).json, { namespace: 'ai-agents' })
  t.match((await bed.post('/explain', { kind: 'Pod', spec: { hostNetwork: 1 } })).json, {
    decision: 'denied',
  })
  for (const body of [{ kind: 'Service', spec: {} }, [], null, 'x', 1]) {
    t.match(await bed.post('/explain', body), { status: 422, json: { code: 'GRN_NO_POD' } })
  }
})

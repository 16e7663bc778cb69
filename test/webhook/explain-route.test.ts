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
    const { status, json } = await bed.ops.post('/explain', body)
    t.equal(status, 200)
    t.match(json, {
      policyVersion: '1',
      agentType: 'stella-agent',
      decision: 'changed',
      changes: [{ path: String, was: String, becomes: String, rule: String, why: String }],
      violations: [],
    })
  }
  t.match((await bed.ops.post('/explain', pod)).json, { namespace: 'default' })
  t.match((await bed.ops.post('/explain?namespace=ai-agents', pod)).json, { namespace: 'ai-agents' })
  t.match((await bed.ops.post('/explain', deployment)).json, { namespace: 'ai-agents' })
  t.match((await bed.ops.post('/explain', { kind: 'Pod', spec: { hostNetwork: 1 } })).json, {
    decision: 'denied',
  })
  for (const body of [{ kind: 'Service', spec: {} }, [], null, 'x', 1]) {
    t.match(await bed.ops.post('/explain', body), { status: 422, json: { code: 'GRN_NO_POD' } })
  }
})

void t.test('the port of reviews tells a stranger nothing else', async (t) => {
  const bed = await startWebhookBed(t, { checks: () => ({ policy: 'failed' }) })
  for (const path of ['/explain', '/metrics']) {
    t.match(await bed.post(path, { kind: 'Pod' }), { status: 404, json: { code: 'GRN_NOT_FOUND' } })
    t.equal((await bed.get(path)).status, 404)
  }
  t.strictSame((await bed.get('/readyz?verbose')).json, { status: 'not ready' })
  t.match((await bed.ops.get('/readyz?verbose')).json, { checks: { policy: 'failed' } })
})

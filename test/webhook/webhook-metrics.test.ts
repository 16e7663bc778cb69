import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { registerPolicyMetrics } from '../../src/webhook/policy-metrics.ts'
import { policy, samplePod } from '../admission/pod-samples.ts'
import { reviewBody, startWebhookBed } from './webhook-bed.ts'

/** A counter that nobody increments looks like a quiet cluster: known reviews, then the exact numbers. */
void t.test('every review is in the metrics, once', async (t) => {
  const bed = await startWebhookBed(t)
  registerPolicyMetrics({
    registry: bed.registry,
    policy: () => policy,
    status: () => ({ seen: '12', applied: '7', problems: ['/defaults: is missing'] }),
  })
  const send = async (times: number, path: string, ...review: Parameters<typeof reviewBody>) => {
    for (let n = 0; n < times; n += 1) await bed.post(path, reviewBody(...review))
  }
  await send(3, '/mutate?timeout=2s')
  await send(2, '/mutate', samplePod({ spec: { hostNetwork: true } }))
  await send(1, '/mutate', null, { operation: 'DELETE' })
  await send(4, '/validate', samplePod(), { operation: 'CREATE', dryRun: true })
  await send(1, '/mutate?timeout=0s')
  await bed.post('/mutate', { kind: 'Pod' })

  const inFlight = async () =>
    (await bed.registry.getSingleMetric('greenroom_admission_in_flight')?.get())?.values
  await until('the last answer to be written', async () => (await inFlight())?.[0]?.value === 0)
  const { text } = await bed.ops.get('/metrics')
  const lines = text.split('\n')
  const has = (line: string) => t.ok(lines.includes(line), line)
  const reviews = (endpoint: string, operation: string, decision: string, count: number) =>
    has(
      `greenroom_admission_reviews_total{endpoint="${endpoint}",operation="${operation}",decision="${decision}"} ${count}`,
    )
  reviews('mutate', 'CREATE', 'patched', 3)
  // One of them came after its deadline.
  reviews('mutate', 'CREATE', 'denied', 3)
  reviews('mutate', 'DELETE', 'allowed', 1)
  reviews('validate', 'CREATE', 'denied', 4)
  has('greenroom_admission_changes_total{rule="read-only-root"} 3')
  has('greenroom_admission_changes_total{rule="service-account-token"} 3')
  const violations = (rule: string, count: number, code = 'GRN_POLICY_VIOLATION') =>
    has(`greenroom_admission_violations_total{rule="${rule}",code="${code}",mode="enforce"} ${count}`)
  violations('host-namespaces', 2)
  violations('capabilities-drop', 4)
  violations('not-judged', 1, 'GRN_INTERNAL')
  has('greenroom_admission_late_total{endpoint="mutate"} 1')
  has('greenroom_admission_refused_requests_total{code="GRN_BAD_REVIEW"} 1')
  has('greenroom_admission_review_seconds_count{endpoint="mutate"} 7')
  has('greenroom_admission_review_seconds_count{endpoint="validate"} 4')
  has('greenroom_admission_review_seconds_bucket{le="+Inf",endpoint="mutate"} 7')
  t.match(text, /review_seconds_bucket\{le="0\.0001",endpoint="mutate"\} \d/)
  has('greenroom_admission_policy_info{version="1"} 1')
  has('greenroom_admission_policy_resource_version{state="seen"} 12')
  has('greenroom_admission_policy_resource_version{state="accepted"} 7')
  has('greenroom_admission_policy_refused 1')
  has('greenroom_admission_not_enforced_namespaces 0')
  has('greenroom_admission_in_flight 0')
  has('greenroom_admission_waited_total 0')

  const again = (await bed.ops.get('/metrics')).text.split('\n')
  t.ok(
    again.includes('greenroom_admission_changes_total{rule="read-only-root"} 3'),
    'reading twice counts once',
  )
})

void t.test('audit annotations name version and rules, warnings come on request', async (t) => {
  const bed = await startWebhookBed(t)
  const env = [{ name: 'PASSWORD', value: 'hunter2' }]
  const quiet = await bed.post('/mutate', reviewBody(samplePod({ container: { env } })))
  t.match(quiet.json, {
    response: { auditAnnotations: { 'policy-version': '1', rules: /^[a-z-]+(,[a-z-]+)*$/ } },
  })
  t.notMatch(quiet.json, { response: { warnings: [] } })
  const annotated = samplePod({ container: { env }, annotations: { 'greenroom.dev/explain': 'true' } })
  for (const body of [
    reviewBody(samplePod({ container: { env } }), { dryRun: true }),
    reviewBody(annotated),
  ]) {
    const { json, text } = await bed.post('/mutate', body)
    const { response } = json as { response: { allowed: boolean; warnings: string[]; patch: string } }
    t.equal(response.allowed, true)
    t.ok(response.warnings.length > 5)
    t.match(response.warnings[0], /^\S+: was .*, becomes .*\. .*\. \(rule [a-z-]+\)$/)
    t.notMatch(text, /hunter2/)
    t.notMatch(Buffer.from(response.patch, 'base64').toString(), /hunter2|greenroom.dev\/explain/)
  }
  const denied = await bed.post('/mutate', reviewBody(samplePod({ spec: { hostNetwork: true } })))
  t.match(denied.json, { response: { auditAnnotations: { rules: 'host-namespaces' } } })
})

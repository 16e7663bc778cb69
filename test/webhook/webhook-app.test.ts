import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:tls'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import t from 'tap'
import type { PolicyDocument } from '../../src/admission/policy/policy-document.ts'
import { type AdmissionHour, createAdmissionHour } from '../../src/webhook/admission-hour.ts'
import { createWebhookApp } from '../../src/webhook/webhook-app.ts'
import { createWebhookOpsApp } from '../../src/webhook/webhook-ops-app.ts'
import { makeCerts } from '../../webhook-certs/make-certs.ts'
import { keySet, policy, reviewOf, samplePod } from '../admission/pod-samples.ts'
import { call, type Reply } from './webhook-client.ts'

const made = await makeCerts(t.testdir(), ['agent-webhook.greenroom-system.svc'])
const ca = await readFile(made.caPath, 'utf8')
const tls = { key: await readFile(made.keyPath, 'utf8'), cert: await readFile(made.certPath, 'utf8') }

const lines: string[] = []
const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
const registry = new Registry()
let inForce: () => PolicyDocument = () => policy
let isReady = true
const shared = {
  policy: () => inForce(),
  assignKeys: () => keySet,
  logger,
  registry,
  checks: () => ({ policy: isReady ? ('ok' as const) : ('failed' as const) }),
  details: () => ({ policy: 'seen' }),
  hour: createAdmissionHour('webhook-1', () => Date.now()),
}
const app = createWebhookApp({ ...shared, tls })
await app.listen({ host: '127.0.0.1', port: 0 })
const endsAt = Date.UTC(2027, 0, 1)
const policyStatus = { seen: '8', applied: '7', problems: ['/types: is missing'] }
const ops = await createWebhookOpsApp({
  ...shared,
  replica: 'webhook-1',
  certificateEndsAt: () => endsAt,
  policyStatus: () => policyStatus,
})
t.teardown(async () => {
  await ops.close()
  await app.close()
})
const { port } = app.server.address() as AddressInfo
const server = { host: '127.0.0.1', port, ca, servername: 'agent-webhook.greenroom-system.svc' }

const post = (path: string, body: string | Buffer, contentType = 'application/json'): Promise<Reply> =>
  call({ ...server, path, method: 'POST', headers: { 'content-type': contentType } }, body)
const review = (object: unknown, overrides: object = {}): string =>
  JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { ...reviewOf(object), ...overrides },
  })

void t.test('a review is answered, whatever the query', async (t) => {
  for (const path of ['/mutate', '/mutate?timeout=2s', '/mutate?timeout=bogus&x=1']) {
    const { status, json, headers } = await post(path, review(samplePod()))
    t.equal(status, 200)
    t.match(headers['content-type'], /^application\/json/)
    t.match(json, { response: { uid: 'u-1', allowed: true, patchType: 'JSONPatch' } })
  }
  const denied = await post('/validate?timeout=2s', review(samplePod()))
  t.equal(denied.status, 200)
  t.match(denied.json, { response: { uid: 'u-1', allowed: false, status: { code: 403 } } })
  t.notMatch(denied.json, { response: { patchType: String } })
})

void t.test('whatever is no review gets a problem and never a 5xx', async (t) => {
  const refused: readonly (readonly [Promise<Reply>, number, string])[] = [
    [post('/mutate', '{"kind":"Pod"}'), 400, 'GRN_BAD_REVIEW'],
    [post('/mutate', review(samplePod()).replace('k8s.io/v1', 'k8s.io/v1beta1')), 400, 'GRN_BAD_REVIEW'],
    [post('/validate', 'null'), 400, 'GRN_BAD_REVIEW'],
    [post('/validate', '[]'), 400, 'GRN_BAD_REVIEW'],
    [post('/mutate', '{'), 400, 'GRN_BAD_JSON'],
    [post('/mutate', ''), 400, 'GRN_BAD_JSON'],
    [post('/mutate', '{"__proto__":{"x":1}}'), 400, 'GRN_BAD_JSON'],
    [post('/mutate', review(samplePod()), 'text/plain'), 415, 'GRN_UNSUPPORTED_MEDIA_TYPE'],
    [post('/mutate', review(samplePod()), 'application/yaml'), 415, 'GRN_UNSUPPORTED_MEDIA_TYPE'],
    [call({ ...server, path: '/mutate', method: 'GET' }), 405, 'GRN_METHOD_NOT_ALLOWED'],
    [post('/elsewhere', '{}'), 404, 'GRN_NOT_FOUND'],
    // Fastify itself refuses what it cannot decode, before it looks for a route.
    [post('/mutate%zz', '{}'), 404, 'GRN_NOT_FOUND'],
  ]
  for (const [reply, status, code] of refused) {
    const { headers, json, status: found } = await reply
    t.equal(found, status, code)
    t.match(headers['content-type'], /^application\/problem\+json/)
    t.match(json, {
      type: String,
      title: String,
      status,
      detail: String,
      instance: /^\//,
      code,
      requestId: /^[0-9a-f-]{36}$/,
    })
  }
})

void t.test('two objects of 3 MiB fit, more than 7 MiB does not', async (t) => {
  const pod = samplePod({ annotations: { big: 'x'.repeat(3 * 1024 * 1024 - 4096) } })
  const large = await post('/validate', review(pod, { operation: 'UPDATE', oldObject: pod }))
  t.match(large.json, { response: { allowed: true } })
  const tooLarge = await post('/validate', Buffer.alloc(7 * 1024 * 1024 + 1, 32))
  t.equal(tooLarge.status, 413)
  t.match(tooLarge.json, { code: 'GRN_BODY_TOO_LARGE' })
})

void t.test('a crash while judging denies the pod and tells nothing', async (t) => {
  inForce = () => {
    throw new Error('innermost secret at /some/path.ts:7')
  }
  t.teardown(() => {
    inForce = () => policy
  })
  const { status, json, text } = await post('/mutate', review(samplePod()))
  t.equal(status, 200)
  t.match(json, { response: { uid: 'u-1', allowed: false, status: { code: 403, message: /GRN_INTERNAL/ } } })
  t.notMatch(text, /innermost|path\.ts/)
  t.match(lines.join(''), /innermost/, 'the log has it')
})

void t.test('a review whose deadline has passed is not judged any more', async (t) => {
  t.match((await post('/mutate?timeout=0s', review(samplePod()))).json, {
    response: { allowed: false, status: { message: /deadline/ } },
  })
})

void t.test('health, readiness and metrics', async (t) => {
  const get = (path: string): Promise<Reply> => call({ ...server, path, method: 'GET' })
  t.equal((await get('/livez')).status, 200)
  t.strictSame((await get('/readyz')).json, { status: 'ready' })
  const readiness = await ops.inject({ url: '/readyz' })
  t.match(readiness.json(), { status: 'ready', details: { policy: 'seen' } })
  isReady = false
  t.match(await get('/readyz?verbose'), { status: 503, json: { status: 'not ready' } })
  const verbose = await ops.inject({ url: '/readyz?verbose' })
  t.match(
    { status: verbose.statusCode, json: verbose.json() as unknown },
    {
      status: 503,
      json: { status: 'not ready', details: { policy: 'seen' }, checks: { policy: 'failed' } },
    },
  )
  t.equal((await get('/ready')).status, 503)
  t.equal((await get('/health')).status, 200)
  const { body: text } = await ops.inject({ url: '/metrics' })
  t.match(text, /greenroom_admission_review_seconds_bucket\{le="0\.0001",endpoint="mutate"\}/)
  t.match(
    text,
    /greenroom_admission_reviews_total\{endpoint="mutate",operation="CREATE",decision="patched"\} 3/,
  )
  t.match(
    text,
    /greenroom_admission_violations_total\{rule="[a-z-]+",code="GRN_POLICY_VIOLATION",mode="enforce"\}/,
  )
  t.match(text, /greenroom_admission_refused_requests_total\{code="GRN_BAD_REVIEW"\} 4/)
})

void t.test('the log names rules and fields of a denial and no value of the pod', async (t) => {
  lines.length = 0
  const env = [{ name: 'PASSWORD', value: 'hunter2' }]
  await post('/validate', review(samplePod({ container: { env } })))
  t.match(lines.join(''), /"msg":"request denied"/)
  t.match(lines.join(''), /"rule":"capabilities-drop"/)
  t.notMatch(lines.join(''), /hunter2/)
})

void t.test('a denial is one line of the log, however much is wrong', async (t) => {
  lines.length = 0
  const valueFrom = { secretKeyRef: { name: 's', key: 'k' } }
  const env = Array.from({ length: 200 }, (_, index) => ({
    name: `A${index}${'A'.repeat(2_000)}`,
    valueFrom,
  }))
  await post('/validate', review(samplePod({ container: { env } })))
  const text = lines.join('')
  t.match(text, /"violations":2\d\d,/)
  t.ok(text.length < 20_000, `${text.length} characters`)
})

void t.test('TLS 1.3 and nothing older', async (t) => {
  const handshake = (maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<string> => {
    const { promise, resolve } = Promise.withResolvers<string>()
    const socket = connect({ ...server, maxVersion }, () => {
      resolve(socket.getProtocol() ?? '')
      socket.end()
    })
    socket.on('error', (error) => resolve(error.message))
    return promise
  }
  t.equal(await handshake('TLSv1.3'), 'TLSv1.3')
  t.match(await handshake('TLSv1.2'), /alert|protocol|version/)
})

void t.test(
  'the ops port tells how this replica is, and what it denied and changed in the last hour',
  async (t) => {
    isReady = false
    const status = await ops.inject({ url: '/status' })
    isReady = true
    t.equal(status.statusCode, 200, 'also when it is not ready')
    t.strictSame(status.json(), {
      replica: 'webhook-1',
      ready: false,
      checks: { policy: 'failed' },
      certificateEndsAt: '2027-01-01T00:00:00.000Z',
      policy: policyStatus,
    })

    const rows = async () => (await ops.inject({ url: '/admission' })).json<AdmissionHour>().rows
    const counted = async (kind: 'denied' | 'changed', namespace: string) =>
      (await rows()).reduce((sum, row) => sum + (row.namespace === namespace ? row[kind] : 0), 0)
    const bad = samplePod({ spec: { ...samplePod().spec, hostNetwork: true } })
    await post('/mutate', review(samplePod(), { namespace: 'counted', dryRun: true }))
    t.equal(await counted('changed', 'counted'), 0, 'what is only tried is not counted')
    await post('/mutate', review(samplePod(), { namespace: 'counted' }))
    t.ok((await counted('changed', 'counted')) > 0)
    t.equal(await counted('denied', 'counted'), 0)
    await post('/validate', review(bad, { namespace: 'counted' }))
    await post('/validate', review(bad, { namespace: 'counted' }))
    const denials = (await rows()).filter(({ namespace, denied }) => namespace === 'counted' && denied > 0)
    t.ok(denials.length > 0)
    for (const { rule, denied } of denials) t.equal(denied, 2, `${rule}: once a request`)
    t.notMatch(JSON.stringify(await rows()), /hostNetwork|agent-0/, 'rules and namespaces only')
  },
)

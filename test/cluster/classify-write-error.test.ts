import t from 'tap'
import { classifyWriteError } from '../../src/cluster/classify-write-error.ts'
import { KubeApiError } from '../../src/cluster/kube-api-error.ts'

const cases: readonly (readonly [
  status: number | undefined,
  message: string,
  reason: string,
  retryable: boolean,
])[] = [
  [undefined, 'the API server cannot be reached', 'api', true],
  [500, 'failed calling webhook "x": connection refused', 'webhook', true],
  [503, 'apiserver not ready', 'api', true],
  [429, 'too many requests', 'api', true],
  [404, 'namespaces "agents" not found', 'api', true],
  [403, 'error looking up service account agents/default: serviceaccount not found', 'api', true],
  [403, 'pods is forbidden: User "x" cannot create resource "pods"', 'forbidden', false],
  [401, 'Unauthorized', 'forbidden', false],
  [403, 'pods "a" is forbidden: exceeded quota: q, requested: pods=1', 'quota', true],
  [403, 'pods "a" is forbidden: failed quota: q: must specify limits', 'quota', true],
  [409, 'Operation cannot be fulfilled on resourcequotas "q"', 'quota', true],
  [409, 'the object has been modified', 'api', true],
  [
    403,
    'pods "a" is forbidden: maximum cpu usage per Container is 500m, but limit is 1',
    'limit-range',
    true,
  ],
  [
    403,
    'pods "a" is forbidden: [minimum cpu usage per Pod is 2.  No request is specified]',
    'limit-range',
    true,
  ],
  [
    403,
    'pods "a" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000',
    'limit-range',
    true,
  ],
  [403, 'pods "a" is forbidden: no PriorityClass with name high was found', 'denied', false],
  [403, 'pods "a" is forbidden: pod rejected: RuntimeClass "r" not found', 'denied', false],
  [
    403,
    'pods "a" is forbidden: unable to create new content in namespace x because it is being terminated',
    'forbidden',
    false,
  ],
  [403, 'pods "a" is forbidden: violates PodSecurity "restricted:latest"', 'denied', false],
  [500, 'admission webhook "w" denied the request: no', 'denied', false],
  [400, 'admission webhook "w" denied the request: no', 'denied', false],
  [422, 'Pod "a" is invalid: spec.containers: Required value', 'invalid', false],
  [413, 'request entity too large', 'invalid', false],
]

for (const [status, message, reason, retryable] of cases) {
  void t.test(`${status} ${message}`, (t) => {
    const error = classifyWriteError(new KubeApiError(message, { status, retryAfterMs: 7 }))
    t.match(error, { reason, retryable, message, retryAfterMs: 7 })
    t.end()
  })
}

void t.test('whether the pod is to blame: only another template or policy helps then', (t) => {
  const blames = (message: string, status = 403) =>
    classifyWriteError(new KubeApiError(message, { status })).blamesPod
  const denial = 'admission webhook "w" denied the request: '
  t.equal(blames('Pod "a" is invalid: spec.containers[0].image: Required value', 422), true)
  t.equal(blames(`${denial}use another registry`), true, 'anybody’s webhook')
  t.equal(blames(`${denial}GRN_POLICY_VIOLATION: /spec is x (rule images)`), true)
  t.equal(blames('pods "a" is forbidden: violates PodSecurity "restricted:latest"'), true)
  t.equal(blames(`${denial}GRN_AGENT_TYPE_UNKNOWN: there is no row`), false, 'the row may come')
  t.equal(blames(`${denial}GRN_AGENT_TYPE_UNKNOWN: x; GRN_POLICY_VIOLATION: y`), false)
  t.equal(blames('pods "a" is forbidden: no PriorityClass with name high was found'), false)
  t.equal(blames('pods "a" is forbidden: exceeded quota: q'), false)
  t.end()
})

void t.test('a request that never left is certainly not done; one without an answer may be', (t) => {
  const answered = (options: object) => classifyWriteError(new KubeApiError('x', options)).answered
  t.equal(answered({ sent: false }), true)
  t.equal(answered({}), false)
  t.equal(answered({ status: 504 }), false)
  t.equal(answered({ status: 500 }), true)
  t.end()
})

void t.test('a programming error stays what it is', (t) => {
  t.throws(() => classifyWriteError(new TypeError('oops')), TypeError)
  t.end()
})

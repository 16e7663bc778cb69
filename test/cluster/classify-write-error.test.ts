import t from 'tap'
import { classifyWriteError } from '../../src/cluster/classify-write-error.ts'
import { KubeApiError } from '../../src/cluster/kube-api-error.ts'

const cases: readonly (readonly [
  status: number | undefined,
  message: string,
  reason: string,
  retryable: boolean,
])[] = [
  [undefined, 'the API server cannot be reached', 'unavailable', true],
  [500, 'failed calling webhook "x": connection refused', 'unavailable', true],
  [503, 'apiserver not ready', 'unavailable', true],
  [429, 'too many requests', 'unavailable', true],
  [404, 'namespaces "agents" not found', 'unavailable', true],
  [403, 'error looking up service account agents/default: serviceaccount not found', 'unavailable', true],
  [403, 'pods is forbidden: User "x" cannot create resource "pods"', 'forbidden', false],
  [401, 'Unauthorized', 'forbidden', false],
  [403, 'pods "a" is forbidden: exceeded quota: q, requested: pods=1', 'quota', true],
  [403, 'pods "a" is forbidden: failed quota: q: must specify limits', 'quota', true],
  [409, 'Operation cannot be fulfilled on resourcequotas "q"', 'quota', true],
  [409, 'the object has been modified', 'unavailable', true],
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

void t.test('a programming error stays what it is', (t) => {
  t.throws(() => classifyWriteError(new TypeError('oops')), TypeError)
  t.end()
})

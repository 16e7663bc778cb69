import t from 'tap'
import type { Violation } from '../../../src/admission/pod/violation.ts'
import { decodeReview, encodeAnswer } from '../../../src/admission/review/admission-review.ts'
import { reviewOf, samplePod } from '../pod-samples.ts'

const body = (overrides: object = {}) => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: reviewOf(samplePod()),
  ...overrides,
})

void t.test('only an AdmissionReview of v1 is one', async (t) => {
  t.ok(decodeReview(body()).ok)
  const others = [
    null,
    undefined,
    [],
    'x',
    {},
    body({ apiVersion: 'admission.k8s.io/v1beta1' }),
    body({ kind: 'Pod' }),
    body({ request: undefined }),
    body({ request: { ...reviewOf({}), uid: '' } }),
    body({ request: { ...reviewOf({}), operation: 'PATCH' } }),
  ]
  for (const other of others) {
    const decoded = decodeReview(other)
    t.notOk(decoded.ok, JSON.stringify(other))
    t.ok(!decoded.ok && decoded.problems.length > 0)
  }
})

void t.test('the uid comes back, and patch and patchType come together or not at all', async (t) => {
  t.same(encodeAnswer('u', { kind: 'allowed' }, '7'), {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: 'u', allowed: true, auditAnnotations: { 'policy-version': '7' } },
  })
  const empty = encodeAnswer('u', { kind: 'patched', patch: [], rules: [] }, '7').response
  t.notOk('patch' in empty || 'patchType' in empty)
  const patch = [{ op: 'add', path: '/metadata/annotations/a~1b', value: 'ü€😀\u2028' }] as const
  const { response } = encodeAnswer('u', { kind: 'patched', patch, rules: [] }, '7')
  t.equal(response.patchType, 'JSONPatch')
  t.same(JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString('utf8')), patch)
})

void t.test('a denial says everything, and is never a 5xx', async (t) => {
  const violation: Violation = {
    rule: 'privileged',
    code: 'GRN_POLICY_VIOLATION',
    path: 'spec.x',
    found: 'true',
    allowed: 'false',
    fix: 'Remove it.',
  }
  const many = Array.from({ length: 12 }, () => violation)
  t.match(encodeAnswer('u', { kind: 'denied', violations: many }, '7').response, {
    allowed: false,
    status: {
      code: 403,
      reason: 'Forbidden',
      message: /^GRN_POLICY_VIOLATION: spec\.x is true; allowed: false\. Remove it\..*and 2 more$/,
      details: { causes: [{ reason: 'GRN_POLICY_VIOLATION', field: 'spec.x' }] },
    },
  })
  const internal = { ...violation, code: 'GRN_INTERNAL' } as const
  t.match(encodeAnswer('u', { kind: 'denied', violations: [internal] }, '7').response.status, { code: 403 })
})

void t.test('warnings are said once and never cut by the API server', (t) => {
  const said = (warnings: string[]) => encodeAnswer('u', { kind: 'allowed', warnings }, '7').response.warnings
  t.same(said(['a', 'b', 'a']), ['a', 'b'])
  t.equal(said([]), undefined)
  const many = Array.from({ length: 100 }, (_, index) => `${index}`.padStart(300, '.'))
  const kept = said(many) ?? []
  t.ok(kept.join('').length <= 4_096)
  t.equal(kept.at(-1), `and ${100 - (kept.length - 1)} more warnings`)
  t.end()
})

void t.test('nesting is bounded, in objects and in arrays', async (t) => {
  const nested = (levels: number, open: string, close: string): unknown =>
    JSON.parse(`${open.repeat(levels)}1${close.repeat(levels)}`)
  for (const [open, close] of [
    ['{"a":', '}'],
    ['[', ']'],
  ] as const) {
    const deep = (levels: number) => decodeReview(body({ request: reviewOf(nested(levels, open, close)) }))
    // The review and its request are two levels themselves.
    t.ok(deep(98).ok)
    for (const levels of [99, 100_000]) {
      t.match(deep(levels), { ok: false, problems: ['it is nested deeper than 100 levels'] })
    }
  }
})

import t from 'tap'
import type { AdmissionRequest, Answer } from '../../../src/admission/review/admission-review.ts'
import { namespaceReview } from '../../../src/admission/review/namespace-review.ts'
import { inForce, policy, reviewOf } from '../pod-samples.ts'

const agents = 'greenroom.dev/agents'
type Labels = Record<string, string>

function judge(
  before: Labels | undefined,
  after: Labels | undefined,
  more: Partial<AdmissionRequest> = {},
): Answer {
  const namespace = (labels: Labels | undefined) => ({ metadata: { name: 'n', ...(labels && { labels }) } })
  const resource = { group: '', version: 'v1', resource: 'namespaces' }
  return namespaceReview(
    reviewOf(namespace(after), { resource, operation: 'UPDATE', oldObject: namespace(before), ...more }),
    {
      ...inForce,
      policy: {
        ...policy,
        namespaceOwners: { users: ['sec'], groups: ['system:masters'], serviceAccounts: [] },
      },
    },
  )
}

void t.test('only its owners take a namespace out of the policy', async (t) => {
  const enabled = { [agents]: 'enabled', team: 'blue' }
  for (const after of [undefined, {}, { [agents]: 'disabled' }, { [agents]: '' }]) {
    t.match(judge(enabled, after), {
      kind: 'denied',
      violations: [
        { code: 'GRN_NAMESPACE_OWNERSHIP', path: `metadata.labels[${agents}]`, allowed: /user sec, group/ },
      ],
    })
    for (const subResource of ['status', 'finalize'])
      t.match(judge(enabled, after, { subResource }), { kind: 'denied' })
    t.same(judge(enabled, after, { userInfo: { username: 'sec' } }), { kind: 'allowed' })
    const groups = ['dev', 'system:masters']
    t.same(judge(enabled, after, { userInfo: { username: 'x', groups } }), { kind: 'allowed' })
    t.match(
      judge(enabled, after, { userInfo: {} }),
      { kind: 'denied' },
      'a request without a user is no owner',
    )
  }
})

void t.test('setting the label is free, and so is everything else', async (t) => {
  for (const [before, after] of [
    [undefined, { [agents]: 'enabled' }],
    [{}, { [agents]: 'disabled' }],
    [{ [agents]: 'disabled' }, { [agents]: 'enabled' }],
    [{ [agents]: 'enabled' }, { [agents]: 'enabled', team: 'red' }],
    [{ [agents]: 'enabled', team: 'blue' }, { [agents]: 'enabled' }],
    [{ 'greenroom.dev/other': 'a' }, {}],
  ] as const) {
    t.same(judge(before, after), { kind: 'allowed' }, JSON.stringify([before, after]))
  }
  const enabled = { [agents]: 'enabled' }
  for (const operation of ['CREATE', 'DELETE', 'CONNECT'] as const) {
    t.same(judge(enabled, {}, { operation }), { kind: 'allowed' }, operation)
  }
  t.match(
    judge(enabled, { ...enabled, 'greenroom.dev/mode': 'audit' }),
    { kind: 'denied' },
    'a way to weaken it',
  )
})

void t.test('an object that cannot be read counts as one without the label', async (t) => {
  t.match(judge({ [agents]: 'enabled' }, {}, { object: { metadata: { labels: [1] } } }), { kind: 'denied' })
  t.same(judge({}, {}, { object: null, oldObject: null }), { kind: 'allowed' })
})

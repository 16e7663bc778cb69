import fc from 'fast-check'
import t from 'tap'
import type { AdmissionRequest, Answer } from '../../../src/admission/review/admission-review.ts'
import { bareConfiguration } from '../../../src/admission/review/config-review.ts'
import { ownershipReview } from '../../../src/admission/review/ownership-review.ts'
import { greenroomUser, inForceOf, policy, reviewOf } from '../pod-samples.ts'

const webhookUser = 'system:serviceaccount:greenroom-system:agent-webhook'
const owners = {
  users: ['sec'],
  groups: ['system:masters'],
  serviceAccounts: ['system:serviceaccount:argocd:controller'],
}
const owned = { ...policy, policyOwners: owners }
const within = inForceOf(owned)

const masters = { username: 'admin', groups: ['dev', 'system:masters'] }
const someOwners: readonly AdmissionRequest['userInfo'][] = [
  masters,
  { username: 'sec' },
  { username: 'system:serviceaccount:argocd:controller' },
]
const strangers: readonly AdmissionRequest['userInfo'][] = [
  {},
  { username: 'alice', groups: ['system:authenticated'] },
  { username: 'argocd:controller' },
  { username: 'system:masters' },
  { username: greenroomUser },
  { username: webhookUser },
]

const configMap = (name: string, data: Record<string, string>, metadata: object = {}, more: object = {}) => ({
  metadata: { name, ...metadata },
  data,
  ...more,
})
const text = (document: object) => JSON.stringify(document)

function judge(
  object: unknown,
  overrides: Partial<AdmissionRequest> = {},
  configuration: Partial<typeof bareConfiguration> = {},
): Answer {
  const resource = { group: '', version: 'v1', resource: 'configmaps' }
  return ownershipReview(reviewOf(object, { resource, ...overrides }), within, {
    ...bareConfiguration,
    ...configuration,
  })
}

/** What may become of a ConfigMap: made, changed, deleted by name, deleted with all others. */
function writes(name: string): readonly (readonly [string, unknown, Partial<AdmissionRequest>])[] {
  const before = configMap(name, { 'policy.yaml': text(owned), 'keys.json': '1' })
  const after = configMap(name, { 'policy.yaml': text({ ...owned, version: '2' }), 'keys.json': '2' })
  const oldObject = before
  return [
    ['created', after, {}],
    ['changed', after, { operation: 'UPDATE', oldObject }],
    [
      'with one more key',
      { ...before, data: { ...before.data, more: 'x' } },
      { operation: 'UPDATE', oldObject },
    ],
    ['made immutable', { ...before, immutable: true }, { operation: 'UPDATE', oldObject }],
    ['deleted', null, { operation: 'DELETE', oldObject, name }],
    ['deleted with all others', null, { operation: 'DELETE', oldObject, name: '' }],
  ]
}

void t.test('the policy and the assign keys are written by the owners of the policy alone', async (t) => {
  for (const name of ['agent-policy', 'greenroom-assign-keys']) {
    for (const [what, object, overrides] of writes(name)) {
      for (const userInfo of someOwners)
        t.same(judge(object, { ...overrides, userInfo }), { kind: 'allowed' }, `${name} ${what}`)
      for (const userInfo of strangers) {
        // The controller may remove old keys, and is told so.
        const isController = name === 'greenroom-assign-keys' && userInfo.username === greenroomUser
        const whoMay = isController
          ? /without some of its old keys/
          : /user sec, group system:masters, system:serv/
        t.match(
          judge(object, { ...overrides, userInfo }),
          {
            kind: 'denied',
            violations: [{ code: 'GRN_DOCUMENT_OWNERSHIP', allowed: whoMay }],
          },
          `${name} ${what} by ${userInfo.username}`,
        )
      }
    }
  }
})

void t.test('the controller takes old keys away and does nothing else to the assign keys', async (t) => {
  const name = 'greenroom-assign-keys'
  const key = (kid: string) => ({ kid, kty: 'OKP', crv: 'Ed25519', x: kid.padEnd(43, 'A') })
  const keys = (...kids: string[]) => ({ 'keys.json': text({ keys: kids.map(key) }) })
  const both = configMap(name, keys('k2', 'k1'))
  const controller = { username: greenroomUser }
  const judged = (object: unknown, more: Partial<AdmissionRequest> = {}, isUnowned = false) =>
    judge(object, { operation: 'UPDATE', oldObject: both, userInfo: controller, ...more }, { isUnowned }).kind
  const removed = configMap(name, keys('k2'))
  for (const isUnowned of [false, true]) {
    t.equal(judged(removed, {}, isUnowned), 'allowed')
    const refused: readonly [string, unknown, Partial<AdmissionRequest>][] = [
      ['add', configMap(name, keys('k2', 'k1', 'k3')), {}],
      ['put first', configMap(name, keys('k3', 'k2')), {}],
      ['take the newest', configMap(name, keys('k1')), {}],
      ['write another entry', configMap(name, { ...keys('k2'), more: 'x' }), {}],
      ['note', configMap(name, keys('k2'), { annotations: { 'greenroom.dev/x': 'y' } }), {}],
      ['make immutable', configMap(name, keys('k2'), {}, { immutable: true }), {}],
      ['delete', null, { operation: 'DELETE', name }],
      ['create', removed, { operation: 'CREATE', oldObject: null }],
    ]
    for (const [what, object, more] of refused) t.equal(judged(object, more, isUnowned), 'denied', what)
  }
  for (const userInfo of strangers.filter(({ username }) => username !== greenroomUser))
    t.equal(judged(removed, { userInfo }), 'denied', `by ${userInfo.username}`)
})

void t.test('an accepted document is written by its keeper; an owner may delete it', async (t) => {
  const keepers = { 'agent-policy-accepted': webhookUser, 'agent-pools-accepted': greenroomUser } as const
  for (const [name, keeper] of Object.entries(keepers)) {
    for (const [what, object, overrides] of writes(name)) {
      t.same(judge(object, { ...overrides, userInfo: { username: keeper } }), { kind: 'allowed' })
      for (const userInfo of strangers.filter(({ username }) => username !== keeper))
        t.match(judge(object, { ...overrides, userInfo }), { kind: 'denied' }, `${name} ${what}`)
      const byOwner = judge(object, { ...overrides, userInfo: masters })
      if (overrides.operation === 'DELETE')
        t.match(byOwner, { kind: 'allowed', warnings: [/writes it again/] }, `${name} ${what}`)
      else t.match(byOwner, { kind: 'denied' }, `${name} ${what}`)
    }
  }
})

void t.test('labels and annotations of others may change, notes of Greenroom may not', async (t) => {
  for (const name of ['agent-policy', 'greenroom-assign-keys', 'agent-policy-accepted']) {
    const oldObject = configMap(name, { x: 'y' })
    const update = { operation: 'UPDATE', oldObject } as const
    const changed = (metadata: object) => judge(configMap(name, { x: 'y' }, metadata), update)
    t.same(changed({ labels: { a: 'b' }, annotations: { team: 'c' } }), { kind: 'allowed' })
    t.match(changed({ annotations: { 'greenroom.dev/source-resource-version': '9' } }), { kind: 'denied' })
  }
})

void t.test('the first policy is free; one that shuts its author out is told to be one', async (t) => {
  const document = configMap('agent-policy', { 'policy.yaml': text(owned) })
  const first = { isUnowned: true }
  t.match(judge(document, {}, first), {
    kind: 'allowed',
    warnings: [/policyOwners: does not name you \(user "alice"\); once this is in force, only user sec, /],
  })
  t.same(judge(document, { userInfo: masters }, first), { kind: 'allowed' })
  t.same(judge(configMap('greenroom-assign-keys', { 'keys.json': '1' }), {}, first), { kind: 'allowed' })
  const kept = configMap('agent-policy-accepted', { 'policy.yaml': text(owned) })
  t.match(judge(kept, {}, first), { kind: 'denied' }, 'what is kept is still nobody elses')
})

void t.test('an owner who would not be one any more is refused', async (t) => {
  const without = { ...owned, policyOwners: { users: ['other'], groups: [], serviceAccounts: [] } }
  const document = configMap('agent-policy', { 'policy.yaml': text(without) })
  t.match(judge(document, { userInfo: { username: 'sec' } }), {
    kind: 'denied',
    violations: [{ path: 'data[policy.yaml]/policyOwners', found: 'without you (user "sec")' }],
  })
  const handedOver = { ...owned, policyOwners: { users: ['sec', 'other'], groups: [] } }
  const both = configMap('agent-policy', { 'policy.yaml': text(handedOver) })
  t.same(judge(both, { userInfo: { username: 'sec' } }), { kind: 'allowed' })
  const broken = configMap('agent-policy', { 'policy.yaml': 'version: 1' })
  t.same(judge(broken, { userInfo: { username: 'sec' } }), { kind: 'allowed' }, 'it cannot come into force')
})

void t.test('a namespace that is deleted goes', async (t) => {
  const userInfo = { username: 'system:serviceaccount:kube-system:namespace-controller' }
  for (const name of ['agent-policy', 'greenroom-assign-keys', 'agent-policy-accepted']) {
    for (const [what, object, overrides] of writes(name)) {
      const kind = overrides.operation === 'DELETE' ? 'allowed' : 'denied'
      t.match(judge(object, { ...overrides, userInfo }), { kind }, `${name} ${what}`)
    }
  }
})

void t.test('every other ConfigMap passes, agent-pools and other namespaces included', async () => {
  const guarded = /^(agent-policy|agent-policy-accepted|agent-pools-accepted|greenroom-assign-keys)$/
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.constant('agent-pools')), fc.jsonValue(), (name, data) => {
      fc.pre(!guarded.test(name))
      return judge({ metadata: { name }, data }).kind === 'allowed'
    }),
  )
  const elsewhere = { namespace: 'other' }
  if (judge(configMap('agent-policy', {}), elsewhere).kind !== 'allowed') throw new Error('elsewhere')
})

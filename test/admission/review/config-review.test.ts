import fc from 'fast-check'
import t from 'tap'
import {
  type AdmissionRequest,
  type Answer,
  encodeAnswer,
} from '../../../src/admission/review/admission-review.ts'
import {
  bareConfiguration,
  type Configuration,
  configReview,
} from '../../../src/admission/review/config-review.ts'
import { checkPolicy } from '../../../src/admission/rules/check-policy.ts'
import { checkPools } from '../../../src/domain/pool.ts'
import { inForce, policy, reviewOf } from '../pod-samples.ts'

const pool = (min: number, max: number) => ({ template: { image: 'greenroom:1' }, min, max })
const poolsText = (pools: object) => JSON.stringify({ pools })
const policyText = JSON.stringify(policy)

function configMap(name: string, data: Record<string, string> | undefined, more: object = {}) {
  return { metadata: { name, ...more }, ...(data && { data }) }
}

function judge(
  object: unknown,
  overrides: Partial<AdmissionRequest> = {},
  configuration: Partial<Configuration> = {},
): Answer {
  const resource = { group: '', version: 'v1', resource: 'configmaps' }
  return configReview(reviewOf(object, { resource, ...overrides }), inForce, {
    ...bareConfiguration,
    ...configuration,
  })
}
const message = (answer: Answer) =>
  (encodeAnswer('u', answer, '1').response.status as { message?: string } | undefined)?.message ?? ''
const pools = (after: object, before?: object, configuration: Partial<Configuration> = {}) =>
  judge(
    configMap('agent-pools', { 'pools.yaml': poolsText(after) }),
    before === undefined
      ? {}
      : { operation: 'UPDATE', oldObject: configMap('agent-pools', { 'pools.yaml': poolsText(before) }) },
    configuration,
  )

void t.test('what is in order passes without a word', async (t) => {
  t.same(pools({ 'echo-agent': pool(1, 3) }), { kind: 'allowed' })
  t.same(judge(configMap('agent-policy', { 'policy.yaml': policyText })), { kind: 'allowed' })
})

void t.test('what is wrong is refused with its path and what is allowed there', async (t) => {
  const text = 'pools: { echo-agent: { template: { image: x:1 }, min: 5, max: 2, onEmpty: later, mni: 1 } }'
  const answer = judge(configMap('agent-pools', { 'pools.yaml': text }))
  t.match(answer, {
    kind: 'denied',
    violations: [
      { code: 'GRN_INVALID_POOLS', rule: 'document', path: 'data[pools.yaml]/pools/echo-agent/mni' },
      { path: 'data[pools.yaml]/pools/echo-agent/onEmpty' },
    ],
  })
  t.match(message(answer), /pools\.yaml \/pools\/echo-agent\/mni: is not a known key; known: .*min, max/)
  t.match(message(answer), /onEmpty: must be one of "wait", "cold", "fail"/)
  t.match(
    message(pools({ a: pool(5, 2) })),
    /^GRN_INVALID_POOLS: pools\.yaml \/pools\/a\/min: 5 is more than max/,
  )
  const bad = configMap('agent-policy', { 'policy.yaml': 'version: "1"\nagentTypes: {}\nmodee: x' })
  t.match(
    message(judge(bad)),
    /^GRN_INVALID_POLICY: policy\.yaml \/modee: is not a known key; known: version/,
  )
  const response = encodeAnswer('u', answer, '1').response
  t.match(response, { allowed: false, status: { code: 422 } })
})

void t.test('the wrong data key is refused with the right name', async (t) => {
  for (const [data, found] of [
    [{ 'policy.yml': policyText }, /"policy\.yml"/],
    [{}, /it has no data/],
    [undefined, /it has no data/],
  ] as const) {
    const said = message(judge(configMap('agent-policy', data)))
    t.match(said, /GRN_INVALID_POLICY: ConfigMap agent-policy needs its document under data\[policy\.yaml\]/)
    t.match(said, found)
  }
  const binary = { metadata: { name: 'agent-pools' }, binaryData: { 'pools.yaml': 'e30=' } }
  t.match(message(judge(binary)), /as text; it stands in binaryData/)
  const both = configMap('agent-policy', { 'policy.yaml': policyText, 'policy.yml': 'x' })
  t.match(judge(both), { kind: 'allowed', warnings: [/data\[policy\.yml\] is not read/] })
})

void t.test('a jump of more than 5x either way is a warning', async (t) => {
  const warnings = (before: object, after: object) => pools({ 'echo-agent': after }, { 'echo-agent': before })
  t.match(warnings(pool(2, 10), pool(11, 51)), {
    kind: 'allowed',
    warnings: [/min: 2 → 11 is a jump of more than 5x/, /max: 10 → 51 is a jump/],
  })
  t.same(warnings(pool(2, 10), pool(10, 50)), { kind: 'allowed' }, 'five times is none')
  t.match(warnings(pool(6, 60), pool(1, 11)), { warnings: [/min: 6 → 1/, /max: 60 → 11/] })
  t.same(warnings(pool(0, 5), pool(5, 5)), { kind: 'allowed' }, 'from nothing counts as from one')
  t.match(pools({ 'echo-agent': pool(1, 1) }, { 'echo-agent': pool(1, 1), 'stella-agent': pool(1, 1) }), {
    warnings: [/stella-agent: is removed/],
  })
})

void t.test('against what is in force where the old object is of no use', async (t) => {
  const inForce = checkPools(poolsText({ 'echo-agent': pool(1, 2) }))
  t.ok(inForce.ok)
  if (!inForce.ok) return
  t.match(pools({ 'echo-agent': pool(1, 20) }, undefined, { pools: inForce.value }), {
    warnings: [/max: 2 → 20/],
  })
})

void t.test('the two documents may come in any order: what one lacks is a warning', async (t) => {
  t.match(pools({ 'night-agent': pool(1, 1) }), {
    kind: 'allowed',
    warnings: [/agent-policy in force \(version 1\) has no row night-agent/],
  })
  const inForce = checkPools(poolsText({ 'echo-agent': pool(1, 2) }))
  if (!inForce.ok) throw new Error('the sample is wrong')
  const { 'echo-agent': _, ...agentTypes } = policy.agentTypes
  const without = configMap('agent-policy', {
    'policy.yaml': JSON.stringify({ ...policy, version: '2', agentTypes }),
  })
  t.match(judge(without, {}, { pools: inForce.value }), {
    kind: 'allowed',
    warnings: [/no row echo-agent, but a pool echo-agent/],
  })
  t.same(judge(without), { kind: 'allowed' }, 'pools that were never seen lack nothing')
})

void t.test('a policy that changes under the same version, and owners that are nobody', async (t) => {
  const change = (more: object) =>
    judge(configMap('agent-policy', { 'policy.yaml': JSON.stringify({ ...policy, ...more }) }), {
      operation: 'UPDATE',
      oldObject: configMap('agent-policy', { 'policy.yaml': policyText }),
    })
  t.match(change({ components: [] }), { warnings: [/version: is still 1/] })
  t.same(change({ components: [], version: '2' }), { kind: 'allowed' })
  t.match(change({ version: '2', namespaceOwners: { users: [], groups: [] } }), {
    warnings: [/namespaceOwners: names nobody/],
  })
  t.match(change({ version: '2', policyOwners: { users: [], groups: [] } }), {
    warnings: [/policyOwners: names nobody/],
  })
})

void t.test('quotas: the tightest bound of each pool, and all minima together', async (t) => {
  const quota = (hard: Record<string, string>, scopes: string[] = [], operator = 'Exists') => ({
    name: 'q',
    hard,
    scopes: scopes.map((scope) => ({ scope, operator, values: ['high'] })),
  })
  const said = (after: object, ...quotas: ReturnType<typeof quota>[]) =>
    pools(after, undefined, { quotas }).warnings ?? []
  // An echo-agent has limits 250m and 512Mi.
  const hard = { 'limits.cpu': '2', 'limits.memory': '3Gi', pods: '50' }
  t.match(said({ 'echo-agent': pool(1, 20) }, quota(hard)), [
    /max: is 20, but ResourceQuota q allows limits\.memory 3Gi: at most 6 fit/,
  ])
  t.same(said({ 'echo-agent': pool(1, 6) }, quota(hard)), [])
  t.match(
    said(
      { 'echo-agent': pool(4, 6), 'stella-light': { ...pool(3, 3), template: { image: 'stella-light:1' } } },
      quota(hard),
    ),
    [/idle pods \(min\) of all pools together need more than ResourceQuota q allows limits\.cpu 2/],
  )
  for (const other of [quota(hard, ['Terminating']), quota(hard, ['PriorityClass'], 'In')]) {
    t.same(said({ 'echo-agent': pool(1, 20) }, other), [], 'a quota that does not count agents')
  }
  t.equal(said({ 'echo-agent': pool(1, 20) }, quota(hard, ['NotTerminating', 'NotBestEffort'])).length, 1)
  t.equal(said({ 'echo-agent': pool(1, 20) }, quota(hard, ['PriorityClass'], 'NotIn')).length, 1)
  t.same(said({ 'echo-agent': pool(1, 20) }, quota({ 'limits.memory': 'nonsense', secrets: '1' })), [])
  const inForce = checkPools(poolsText({ 'echo-agent': pool(1, 20) }))
  if (!inForce.ok) throw new Error('the sample is wrong')
  const edited = configMap('agent-policy', { 'policy.yaml': JSON.stringify({ ...policy, version: '2' }) })
  t.match(
    judge(edited, {}, { pools: inForce.value, quotas: [quota(hard)] }),
    { warnings: [/at most 6 fit/] },
    'and when the policy changes what a pod takes',
  )
})

void t.test('limit ranges: what a row gives and the namespace refuses', async (t) => {
  const range = (more: object, type = 'Container') => [{ name: 'r', limits: [{ type, ...more }] }]
  const said = (limitRanges: ReturnType<typeof range>) =>
    pools({ 'echo-agent': pool(1, 3) }, undefined, { limitRanges }).warnings ?? []
  // An echo-agent asks for 50m and 128Mi, with limits 250m and 512Mi; a sidecar for 25m and 64Mi.
  const at = '/agentTypes/echo-agent/resources'
  t.same(said(range({ maxLimitRequestRatio: { cpu: '4', memory: '4' } })), [
    `${at}/cpu: LimitRange r refuses every container with it: its limit 250m is more than 4 times its request 50m (maxLimitRequestRatio)`,
    '/defaults/sidecar/cpu: LimitRange r refuses every container with it: its limit 250m is more than 4 times its request 25m (maxLimitRequestRatio)',
  ])
  t.match(said(range({ min: { memory: '256Mi' } })), [`${at}/memory: `, '/defaults/sidecar/memory: '])
  t.match(said(range({ max: { cpu: '200m' } })), [/its limit 250m is more than max 200m/, /sidecar/])
  t.match(said(range({ max: { memory: '256Mi' } }, 'Pod')), [/refuses every pod with it: its limit 512Mi/])
  t.match(said(range({ max: { 'nvidia.com/gpu': '1' } }, 'Pod')), [
    /resources: .* it gives no nvidia\.com\/gpu$/,
  ])
  for (const kept of [
    range({ min: { cpu: '25m' }, max: { cpu: '250m' }, maxLimitRequestRatio: { cpu: '10' } }),
    range({ max: { storage: '1Gi' } }, 'PersistentVolumeClaim'),
    range({ default: { cpu: '1' }, defaultRequest: { cpu: '1' } }),
    range({ max: { cpu: 'nonsense' } }),
  ]) {
    t.same(said(kept), [], JSON.stringify(kept))
  }
  const edited = configMap('agent-policy', { 'policy.yaml': JSON.stringify({ ...policy, version: '2' }) })
  t.match(judge(edited, {}, { limitRanges: range({ max: { memory: '1Gi' } }) }), {
    warnings: [/^\/agentTypes\/stella-agent\/resources\/memory: .* 2Gi is more than max 1Gi/],
  })
})

void t.test('deleting is a warning; metadata of a bad document may change', async (t) => {
  const gone = (name: string) => judge(null, { operation: 'DELETE', oldObject: configMap(name, {}), name })
  t.match(gone('agent-pools'), { kind: 'allowed', warnings: [/last accepted stays in force/] })
  t.same(judge(null, { operation: 'DELETE', oldObject: null, name: 'other' }), { kind: 'allowed' })
  const bad = { 'pools.yaml': 'pools: 1' }
  const relabelled = { operation: 'UPDATE', oldObject: configMap('agent-pools', bad) } as const
  t.same(judge(configMap('agent-pools', bad, { labels: { a: 'b' } }), relabelled), { kind: 'allowed' })
  t.match(judge(configMap('agent-pools', { 'pools.yaml': 'pools: 2' }), relabelled), { kind: 'denied' })
})

void t.test('every other ConfigMap passes, whatever it holds', async () => {
  fc.assert(
    fc.property(fc.string(), fc.jsonValue(), fc.boolean(), (name, data, elsewhere) => {
      fc.pre(elsewhere || !/^agent-(pools|policy)$/.test(name))
      const request = elsewhere
        ? { namespace: 'other', object: configMap('agent-policy', { x: 'y' }) }
        : { object: { metadata: { name }, data } }
      return judge(request.object, request).kind === 'allowed'
    }),
  )
})

void t.test('an accepted review means a document that every reader takes', async () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.constant(policyText), fc.string()), (text) => {
      const passes = judge(configMap('agent-policy', { 'policy.yaml': text })).kind === 'allowed'
      return passes === checkPolicy(text).ok
    }),
  )
})

void t.test('an image of a pool that its row does not allow is told with either document', async (t) => {
  const images = { allowed: ['ghcr.io/acme/*'], digest: 'required' as const }
  const pinned = {
    ...policy,
    version: '2',
    agentTypes: { ...policy.agentTypes, 'echo-agent': { ...policy.agentTypes['echo-agent'], images } },
  }
  const image = (name: string) => ({ ...pool(1, 3), template: { image: name } })
  const warned = (name: string): Answer =>
    configReview(
      reviewOf(configMap('agent-pools', { 'pools.yaml': poolsText({ 'echo-agent': image(name) }) }), {
        resource: { group: '', version: 'v1', resource: 'configmaps' },
      }),
      { ...inForce, policy: pinned },
      bareConfiguration,
    )
  t.same(warned(`ghcr.io/acme/echo@sha256:${'0'.repeat(64)}`), { kind: 'allowed' })
  const foreign =
    /\/pools\/echo-agent\/template\/image: is "x:1"; the policy allows for echo-agent: ghcr\.io\/acme\/\*/
  t.match(warned('x:1'), { kind: 'allowed', warnings: [foreign] })
  t.match(warned('ghcr.io/acme/echo:1'), { kind: 'allowed', warnings: [/a reference with a digest/] })
  const known = checkPools(poolsText({ 'echo-agent': image('x:1') }))
  if (!known.ok) throw new Error('the sample is wrong')
  const edited = configMap('agent-policy', { 'policy.yaml': JSON.stringify(pinned) })
  t.match(judge(edited, {}, { pools: known.value }), { kind: 'allowed', warnings: [foreign] })
})

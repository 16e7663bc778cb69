import fc from 'fast-check'
import t from 'tap'
import type { PoolRevision } from '../../src/domain/pool-revision.ts'
import { judgeCanary, rolloutOf } from '../../src/domain/rollout-phases.ts'
import { rollStepOf } from '../../src/domain/rollout-spec.ts'
import { poolRevision } from '../support/memory-revisions.ts'
import { agentPod, podClaim, slotView } from './slot-views.ts'

const canary = { pods: 2, seconds: 60 }
const noOrder = { paused: false, undoneHash: undefined, pinnedHash: undefined }
const current = poolRevision('new', {
  verdict: 'trial',
  currentSince: 100_000,
  policyDigest: '1-b',
  assignKeyId: 'k2',
})
const good = poolRevision('old', { currentSince: 50_000 })
const spec = { maxUnavailable: '10%' as const, paused: false, canary }
const rollout = (facts: Partial<Parameters<typeof rolloutOf>[0]> = {}) =>
  rolloutOf({ spec, current, revisions: [current, good], order: noOrder, now: 200_000, ...facts })

void t.test('the phases, what new pods are made from, and whether pods are replaced', (t) => {
  const failed: PoolRevision = { ...current, verdict: 'failed' }
  const sameTemplate = poolRevision('new', { revision: 'by another row', currentSince: 50_000 })
  const undo = { ...noOrder, undoneHash: 'hash of new', pinnedHash: 'hash of old' }
  const table: [string, ReturnType<typeof rollout>, string, string, boolean][] = [
    ['a canary first', rollout(), 'canary', 'hash of old', false],
    ['it passed', rollout({ current: { ...current, verdict: 'good' } }), 'rolling', 'hash of new', true],
    ['it failed', rollout({ current: failed }), 'stopped', 'hash of old', true],
    [
      'a row cannot be gone back to',
      rollout({ current: failed, revisions: [failed, sameTemplate] }),
      'stopped',
      'hash of new',
      false,
    ],
    ['nothing to go back to', rollout({ revisions: [current] }), 'rolling', 'hash of new', true],
    [
      'no canary asked for',
      rollout({ spec: { ...spec, canary: { pods: 0, seconds: 60 } } }),
      'rolling',
      'hash of new',
      true,
    ],
    [
      'nothing said: a first pod of a new template',
      rollout({ spec: { maxUnavailable: '10%', paused: false } }),
      'canary',
      'hash of old',
      false,
    ],
    [
      'nothing said, and only the row is new',
      rollout({
        spec: { maxUnavailable: '10%', paused: false },
        revisions: [current, poolRevision('new', { revision: 'by another row', currentSince: 50_000 })],
      }),
      'rolling',
      'hash of new',
      true,
    ],
    ['paused by the document', rollout({ spec: { ...spec, paused: true } }), 'paused', 'hash of old', false],
    ['paused by order', rollout({ order: { ...noOrder, paused: true } }), 'paused', 'hash of old', false],
    ['undone', rollout({ order: undo }), 'undone', 'hash of old', true],
    [
      'undone, then another template',
      rollout({ order: { ...undo, undoneHash: 'hash of third' } }),
      'canary',
      'hash of old',
      false,
    ],
    [
      'what was pinned is gone',
      rollout({ order: { ...undo, pinnedHash: 'gone' } }),
      'canary',
      'hash of old',
      false,
    ],
  ]
  for (const [name, found, phase, hash, rolls] of table)
    t.same([found.phase, found.main.templateHash, found.rolls], [phase, hash, rolls], name)
  t.end()
})

void t.test('a pod is replaced for its row or key once: after 15 s, and never if it was made later', (t) => {
  const made = { ...current, verdict: 'good' as const }
  const drifted = (pod: Parameters<typeof agentPod>[1], now = 200_000, hash = 'hash of new') =>
    rollout({ current: made, now }).isDrifted(agentPod('a', { createdAt: 90_000, ...pod }), hash)
  const alike = { policyDigest: '1-b', assignKeyIds: ['k2', 'k1'] }
  t.equal(drifted(alike), false)
  t.equal(drifted({ ...alike, policyDigest: '1-a' }), true)
  t.equal(drifted({ ...alike, assignKeyIds: ['k1'] }), true)
  t.equal(drifted({ ...alike, policyDigest: '1-a' }, 114_999), false, 'the webhook may not have heard of it')
  t.equal(drifted({ ...alike, policyDigest: '1-a', createdAt: 116_000 }), false, 'made like this on purpose')
  t.equal(drifted({ ...alike, policyDigest: '2-a' }), false, 'of another version')
  t.equal(drifted({ assignKeyIds: ['k2'] }), false, 'made before rows were noted')
  t.equal(drifted(alike, 0, 'hash of old'), true, 'another template at once')
  t.end()
})

void t.test(
  'a canary passes by serving or by lasting, and fails by what its revision is to blame for',
  (t) => {
    const at = 1_000_000
    const judge = (...slots: Parameters<typeof judgeCanary>[1]) => judgeCanary({ current, canary }, slots, at)
    const lasting = slotView('l', 'ready', { readySince: at - 60_000 })
    const served = slotView('s', 'claimed', { claim: podClaim('s'), readySince: at })
    t.match(judge(lasting), { verdict: 'trial', passed: 1, made: 1 })
    t.match(judge(lasting, served), { verdict: 'good', passed: 2, served: ['s'] })
    t.match(judge(slotView('y', 'ready', { readySince: at - 59_999 }), served), {
      verdict: 'trial',
      passed: 1,
    })
    t.match(
      judge(slotView('d', 'ready', { readySince: 0, drifted: true })),
      { passed: 0 },
      'of another revision',
    )
    const pending = slotView('p', 'claimed', {
      claim: podClaim('p', { sessionStatus: 'PENDING' }),
      readySince: at,
    })
    t.match(judge(pending), { passed: 0, made: 1 })
    t.match(judge(lasting, slotView('f', 'failed')), { verdict: 'failed', reason: 'pod phase Failed' })
    const undelivered = podClaim('u', { purpose: 'retired', reason: 'refused' })
    t.match(judge(slotView('u', 'draining', { claim: undelivered })), {
      verdict: 'failed',
      reason: /did not take its session: refused/,
    })
    const noImage = { trouble: { cause: 'image', message: 'ErrImagePull' } } as const
    t.match(judge(slotView('i', 'warming', { ...noImage, createdAt: at - 14_000 })), { verdict: 'trial' })
    t.match(judge(slotView('i', 'warming', { ...noImage, createdAt: at - 15_000 })), { verdict: 'failed' })
    const evicted = { trouble: { cause: 'node', message: 'Evicted' } } as const
    t.match(judge(slotView('e', 'failed', evicted)), { verdict: 'trial' }, 'the node is to blame')
    t.end()
  },
)

void t.test('property: the step is at least one pod and at most the share or the number', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.nat({ max: 100_000 }), (percent, idle) => {
      const step = rollStepOf(`${percent}%`, idle)
      return step >= 1 && step <= Math.max(1, (idle * percent) / 100) && rollStepOf(percent, idle) === percent
    }),
  )
})

import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { invariantKinds } from '../../../src/domain/invariants/broken-invariant.ts'
import { findBrokenInvariants, judgedKinds } from '../../../src/domain/invariants/find-broken-invariants.ts'
import { defaultLimits } from '../../../src/domain/invariants/invariant-limits.ts'
import { settledLimits } from '../../support/settled-limits.ts'
import { corruptions } from './invariant-corruptions.ts'
import { addSession, emptyWorld, legalStories, nowMs, snapshotOf } from './invariant-world.ts'

const find = (world: ReturnType<typeof emptyWorld>) => findBrokenInvariants(snapshotOf(world), defaultLimits)

void t.test('what is legal for a while, one by one', async (t) => {
  for (const [name, tell] of Object.entries(legalStories)) {
    const world = emptyWorld()
    tell(world, 'x')
    t.same(find(world), [], name)
  }
})

void t.test('every corruption is found, under its own name and no other', async (t) => {
  for (const [name, { kind, plant }] of Object.entries(corruptions)) {
    const world = emptyWorld()
    const subject = plant(world)
    const found = find(world)
    t.match(found, [{ kind, subject, detail: /^\S.*\.$/ }], name)
    t.equal(found.length, 1, name)
  }
  const planted = new Set(Object.values(corruptions).map(({ kind }) => kind))
  t.same([...planted].sort(), [...invariantKinds].sort(), 'there is one for each kind')
})

const stories = fc.array(fc.constantFrom(...Object.keys(legalStories)), { maxLength: 40 })

/** Each snapshot also in another order: nothing may depend on it. */
function worldOf(names: readonly string[]) {
  const world = emptyWorld()
  names.forEach((name, at) => legalStories[name]?.(world, `x${at}`))
  return world
}

void t.test('property: any mix of legal stories is clean, in every order', async () => {
  fc.assert(
    fc.property(stories, fc.boolean(), (names, reversed) => {
      const world = worldOf(names)
      if (reversed) for (const list of Object.values(world)) list.reverse()
      assert.deepEqual(find(world), [])
    }),
    { numRuns: 300 },
  )
})

void t.test('property: one corruption among legal stories is found, and nothing else', async () => {
  fc.assert(
    fc.property(stories, fc.constantFrom(...Object.keys(corruptions)), fc.boolean(), (names, name, first) => {
      const corruption = corruptions[name]
      assert.ok(corruption)
      const world = worldOf(names)
      const subject = corruption.plant(world)
      if (first) for (const list of Object.values(world)) list.reverse()
      assert.deepEqual(
        find(world).map(({ kind, subject }) => [kind, subject]),
        [[corruption.kind, subject]],
      )
    }),
    { numRuns: 500 },
  )
})

const names = new Set(['uid', 'id', 'podUid', 'projectId', 'sessionId', 'sessionLabel'])

/** The same world with other names, so that several fit into one. */
function renamed(world: ReturnType<typeof emptyWorld>, prefix: string): ReturnType<typeof emptyWorld> {
  const text = JSON.stringify({
    ...world,
    ready: world.ready.map((uid) => prefix + uid),
    strange: world.strange.map((uid) => prefix + uid),
  })
  return JSON.parse(text, (key, value) => (names.has(key) ? prefix + value : value))
}

void t.test('property: corruptions hide none of each other', async () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(Object.keys(corruptions), { minLength: 2 }), (chosen) => {
      const expected = new Set<string>()
      const whole = emptyWorld()
      chosen.forEach((name, at) => {
        const world = emptyWorld()
        const corruption = corruptions[name]
        assert.ok(corruption)
        expected.add(`${corruption.kind} ${at}/${corruption.plant(world)}`)
        const part = renamed(world, `${at}/`)
        whole.pods.push(...part.pods)
        whole.claims.push(...part.claims)
        whole.sessions.push(...part.sessions)
        whole.ready.push(...part.ready)
        whole.reservations.push(...part.reservations)
        whole.strange.push(...part.strange)
        whole.miscounted.push(...part.miscounted)
      })
      assert.deepEqual(new Set(find(whole).map(({ kind, subject }) => `${kind} ${subject}`)), expected)
    }),
  )
})

void t.test('exactly at its bound nothing is reported yet', async (t) => {
  const bounds = [
    { status: 'PENDING', activeAt: undefined, leaseExpiresAt: nowMs - 5_000 },
    { status: 'ACTIVE', leaseExpiresAt: nowMs - 305_000 },
    { status: 'PENDING', mayBeTold: true, activeAt: undefined, leaseExpiresAt: nowMs - 320_000 },
    { status: 'ENDING', endingAt: nowMs - 120_000 },
    { status: 'ENDED', endedAt: nowMs - 60_000 },
  ] as const
  for (const overrides of bounds) {
    const world = emptyWorld()
    addSession(world, 'x', overrides)
    t.same(find(world), [], overrides.status)
  }
})

void t.test(
  'an outage of renewals extends ACTIVE sessions by what the caller says, and PENDING ones by nothing',
  async (t) => {
    const world = emptyWorld()
    addSession(world, 'x', { leaseExpiresAt: nowMs - 10_000 })
    addSession(world, 'y', { status: 'PENDING', activeAt: undefined, leaseExpiresAt: nowMs - 10_000 })
    const kindsWith = (leaseGraceMs: number) =>
      findBrokenInvariants(snapshotOf(world), { ...defaultLimits, leaseGraceMs }).map(({ kind }) => kind)
    t.same(kindsWith(0), ['lease-lapsed-not-ended', 'pending-past-lease'])
    t.same(kindsWith(60_000), ['pending-past-lease'])
  },
)

void t.test('settled: what is under way counts, what may last does not', async (t) => {
  const kindsOf = (name: string) => {
    const world = emptyWorld()
    legalStories[name]?.(world, 'x')
    return findBrokenInvariants(snapshotOf(world), settledLimits).map(({ kind }) => kind)
  }
  for (const name of [
    'active',
    'pending',
    'cold open without a pod',
    'idle and indexed',
    'ended, the pod gone',
  ])
    t.same(kindsOf(name), [], name)
  t.same(kindsOf('ending on a pod that goes'), ['ending-past-bound'])
  t.same(kindsOf('ended, the pod not yet gone'), ['claimed-pod-without-session'])
  t.same(kindsOf('retired just now'), ['retired-pod-remains'])
})

void t.test('a store that was not read accuses nobody and acquits nobody', async (t) => {
  const world = emptyWorld()
  for (const { plant } of Object.values(corruptions)) plant(world)
  const all = snapshotOf(world)
  for (const store of ['pods', 'ledger', 'index'] as const) {
    const snapshot = { ...all, [store]: undefined }
    const judged = judgedKinds(snapshot)
    for (const { kind } of findBrokenInvariants(snapshot, defaultLimits))
      t.ok(judged.includes(kind), `${store} ${kind}`)
  }
  const unread = { pods: undefined, ledger: undefined, index: undefined }
  t.same(judgedKinds(unread), [])
  t.same(findBrokenInvariants(unread, defaultLimits), [])
  t.same(judgedKinds(all), invariantKinds)
  const together = ['session-without-pod', 'claimed-pod-without-session', 'retired-pod-remains']
  const withPods = judgedKinds({ ...all, index: undefined })
  const alone = judgedKinds({ ...unread, ledger: all.ledger })
  t.same(
    withPods.filter((kind) => !alone.includes(kind)),
    together,
  )
  t.same(judgedKinds({ ...unread, pods: all.pods }), [])
  t.same(judgedKinds({ ...unread, index: [] }), ['slot-offered-twice', 'reservation-past-bound'])
})

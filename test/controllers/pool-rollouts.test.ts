import t from 'tap'
import type { PoolsDocument } from '../../src/domain/pool.ts'
import { templateHash } from '../../src/domain/slot-pod.ts'
import { someActor } from '../support/some-actor.ts'
import { agentType, poolsOf } from './controller-bed.ts'
import { type PoolBed, startPoolServers } from './pool-bed.ts'

/** Roll-outs of a pool: by template, by policy and by key; canary, pause, undo; all that a new leader knows of them. */

const { bedFor } = await startPoolServers(t)

const canary = { pods: 2, seconds: 30 }
const sized = { min: 4, max: 10 }
const withImage = (image: string, more: object = {}): PoolsDocument =>
  poolsOf({ ...sized, template: { image }, ...more })

function hashOf(image: string): string {
  const spec = withImage(image).pools[agentType]
  if (!spec) throw new Error('no pool')
  return templateHash(agentType, spec)
}

/** Living pods by image; a claimed one counts as well. */
function images(bed: PoolBed): Record<string, number> {
  const names = new Map(['old', 'new', 'third'].map((image) => [hashOf(image), image]))
  const counts: Record<string, number> = {}
  for (const { deletingSince, deadReason, templateHash: hash = '' } of bed.pods.real.values()) {
    const name = names.get(hash) ?? 'other'
    if (deletingSince === undefined && deadReason === undefined) counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

const readyCount = (bed: PoolBed): number =>
  [...bed.pods.real.values()].filter(({ readySince, deletingSince }) => readySince && !deletingSince).length

/** Looks for so many seconds; every pod becomes Ready after one. `each` sees every look. */
async function live(bed: PoolBed, seconds: number, each: () => void = () => {}): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    await bed.reconcile()
    each()
    bed.advance(1_000)
    bed.pods.ready()
    bed.pods.reap()
  }
}

async function filled(t: Parameters<typeof bedFor>[0]): Promise<PoolBed> {
  const bed = await bedFor(t, { ...sized, template: { image: 'old' } })
  bed.advance(-30_000)
  await live(bed, 30)
  t.same(images(bed), { old: 4 })
  return bed
}

void t.test('a new template: every idle pod is replaced, the floor held, a step at a time', async (t) => {
  const bed = await filled(t)
  bed.setPools(withImage('new', { rollout: { maxUnavailable: 2 } }))
  await live(bed, 20, () => {
    t.ok(readyCount(bed) >= 4, `${readyCount(bed)} ready`)
    t.ok(bed.pods.real.size <= 4 + 2 + 2, 'two beside the idle ones, and two on their way out')
  })
  t.same(images(bed), { new: 4 })
  t.match(await bed.revisions.read(agentType), {
    revisions: [{ verdict: 'good' }, { verdict: 'good', shape: { template: { image: 'old' } } }],
  })
})

void t.test(
  'while the first pod of a new template starts, sessions take idle pods, and the pool is refilled',
  async (t) => {
    const bed = await filled(t)
    bed.setPools(withImage('new'))
    await bed.reconcile()
    for (const { uid, templateHash: hash } of bed.pods.real.values())
      if (hash === hashOf('new')) bed.pods.change(uid, { readySince: undefined })
    for (const uid of ['uid-1', 'uid-2', 'uid-3']) await bed.claim(uid)
    await bed.reconcile()
    t.same(images(bed), { old: 7, new: 1 }, 'three claimed, four idle, and the first of the new template')
    await live(bed, 40)
    t.same(images(bed), { old: 3, new: 4 })
  },
)

void t.test('without a canary the new template is all that pods are made from', async (t) => {
  const bed = await filled(t)
  bed.setPools(withImage('new', { rollout: { canary: { pods: 0 } } }))
  for (const uid of ['uid-1', 'uid-2']) await bed.claim(uid)
  await live(bed, 40)
  t.same(images(bed), { old: 2, new: 4 })
})

void t.test('a canary goes first; the rest follows when it has stayed Ready', async (t) => {
  const bed = await filled(t)
  bed.setPools(withImage('new', { rollout: { canary } }))
  await live(bed, 25)
  t.same(images(bed), { old: 4, new: 2 }, 'two, beside the idle ones')
  await live(bed, 60, () => t.ok(readyCount(bed) >= 4))
  t.same(images(bed), { new: 4 })
})

void t.test('a canary that serves has passed', async (t) => {
  const bed = await filled(t)
  bed.setPools(withImage('new', { rollout: { canary: { pods: 1, seconds: 3_600 } } }))
  await live(bed, 3)
  const fresh = [...bed.pods.real.values()].find((pod) => pod.templateHash === hashOf('new'))
  await bed.claim(fresh?.uid ?? '')
  await live(bed, 40)
  t.same(images(bed), { new: 5 }, 'one of them claimed')
})

void t.test(
  'a canary that fails stops the roll-out and says so; the pool is refilled as before',
  async (t) => {
    const bed = await filled(t)
    bed.setPools(withImage('new', { rollout: { canary } }))
    await bed.reconcile()
    for (const { uid, templateHash: hash } of bed.pods.real.values())
      if (hash === hashOf('new'))
        bed.pods.change(uid, { deadReason: 'agent container ended', readySince: undefined })
    await live(bed, 5)
    t.match(bed.reports.join(), /CanaryFailed: the roll-out stops: agent container ended/)
    const made = bed.pods.of('create').length
    for (const uid of ['uid-1', 'uid-2']) await bed.claim(uid)
    await live(bed, 40)
    t.same(images(bed), { old: 6 }, 'two claimed, four idle, none of the new template')
    t.equal(bed.pods.of('create').length, made + 2)
    t.match(bed.notices.get(agentType)?.problem, { cause: 'canary', message: 'agent container ended' })

    const next = await bed.successor()
    next.setPools(bed.pools.current())
    await live(next, 10)
    t.same(images(next), { old: 6 }, 'another leader knows')

    next.setPools(withImage('third', { rollout: { canary } }))
    await live(next, 120)
    t.same(images(next), { old: 2, third: 4 }, 'the next template is tried; claimed pods stay')
    t.equal(next.notices.get(agentType)?.problem, undefined)
  },
)

void t.test('a failed canary is tried again when it is resumed', async (t) => {
  const bed = await filled(t)
  bed.setPools(withImage('new', { rollout: { canary } }))
  await bed.reconcile()
  for (const { uid, templateHash: hash } of bed.pods.real.values())
    if (hash === hashOf('new')) bed.pods.change(uid, { deadReason: 'no database', readySince: undefined })
  await live(bed, 10)
  await bed.revisions.order(agentType, { kind: 'resume' }, someActor)
  await live(bed, 120)
  t.same(images(bed), { new: 4 })
})

void t.test('paused: nothing is replaced, and new pods are made as before', async (t) => {
  const bed = await filled(t)
  bed.setPools(withImage('new', { rollout: { paused: true } }))
  await bed.claim('uid-1')
  await live(bed, 20)
  t.same(images(bed), { old: 5 })
  bed.setPools(withImage('new'))
  await bed.revisions.order(agentType, { kind: 'pause' }, someActor)
  await live(bed, 20)
  t.same(images(bed), { old: 5 }, 'by order too')
  await bed.revisions.order(agentType, { kind: 'resume' }, someActor)
  await live(bed, 40)
  t.same(images(bed), { old: 1, new: 4 })
})

void t.test('undo goes back, outlives the leader, and ends with the next template', async (t) => {
  const bed = await filled(t)
  bed.setPools(withImage('new'))
  await live(bed, 40)
  t.same(images(bed), { new: 4 })
  await bed.revisions.order(
    agentType,
    { kind: 'undo', undoneHash: hashOf('new'), pinnedHash: hashOf('old') },
    someActor,
  )
  await live(bed, 40, () => t.ok(readyCount(bed) >= 4))
  t.same(images(bed), { old: 4 })
  const next = await bed.successor()
  next.setPools(bed.pools.current())
  await live(next, 10)
  t.same(images(next), { old: 4 })
  next.setPools(withImage('third'))
  await live(next, 40)
  t.same(images(next), { third: 4 })
})

void t.test('a changed row and a new key roll; pods that come like that again are left alone', async (t) => {
  const bed = await filled(t)
  const made = () => bed.pods.of('create').length
  /** Pods are made on the clock of the test, revisions begin on PostgreSQL's. */
  const settle = async (each: () => void) => {
    bed.advance(Date.now() - bed.now() - 5_000)
    for (const { uid } of bed.pods.real.values()) bed.pods.change(uid, { createdAt: bed.now() - 60_000 })
    await live(bed, 10, each)
    const before = made()
    bed.advance(10_000)
    await live(bed, 60, each)
    return { before, after: made() }
  }
  const shape = (policyDigest: string, assignKeyIds: string[]) => () => {
    for (const { uid, policyDigest: known } of bed.pods.real.values())
      if (!known) bed.pods.change(uid, { policyDigest, assignKeyIds })
  }
  shape('1-a', ['k1'])()
  Object.assign(bed.shapedBy, { policyDigest: '1-a', assignKeyId: 'k1' })
  t.same(await settle(shape('1-a', ['k1'])), { before: 4, after: 4 }, 'what is in force is what they have')
  Object.assign(bed.shapedBy, { policyDigest: '1-b' })
  t.same(
    await settle(shape('1-b', ['k1'])),
    { before: 4, after: 8 },
    'each once, after the webhook has heard of it',
  )
  Object.assign(bed.shapedBy, { assignKeyId: 'k2' })
  t.same(await settle(shape('1-b', ['k2', 'k1'])), { before: 8, after: 12 })
  Object.assign(bed.shapedBy, { policyDigest: '1-c' })
  t.same(
    await settle(shape('1-b', ['k2', 'k1'])),
    { before: 12, after: 16 },
    'a webhook that hears nothing: no circle',
  )
  Object.assign(bed.shapedBy, { policyDigest: '2-x' })
  t.same(
    await settle(shape('1-b', ['k2', 'k1'])),
    { before: 16, after: 16 },
    'another version is not compared',
  )
})

void t.test('idle pods that are too old are replaced one after another, and the floor is held', async (t) => {
  const bed = await filled(t)
  bed.setPools(withImage('old', { maxIdleAge: 400 }))
  await live(bed, 250)
  t.equal(bed.pods.of('create').length, 4, 'young enough')
  const times: number[] = []
  let made = 4
  await live(bed, 190, () => {
    t.ok(readyCount(bed) >= 4)
    if (bed.pods.of('create').length > made) times.push(bed.now())
    made = bed.pods.of('create').length
  })
  t.equal(made, 8, 'each once')
  t.equal(times.length, 4, 'never two at a time')
})

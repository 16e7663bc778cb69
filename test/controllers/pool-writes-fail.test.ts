import t from 'tap'
import { expectationTtlMs } from '../../src/domain/pool-expectations.ts'
import { unnotedGraceMs } from '../../src/domain/pool-pod.ts'
import { agentType, poolsOf } from './controller-bed.ts'
import { type PoolBed, refusal, startPoolServers } from './pool-bed.ts'

/** Pods that cannot be created, or die as soon as they are, and writes without an answer: never too many, never for ever. */

const { redis, bedFor } = await startPoolServers(t)

/** Reconciles as resync and requeues would for an hour, and counts the creates. */
async function hourOf(bed: PoolBed, each: () => void): Promise<number> {
  const until = bed.now() + 3_600_000
  while (bed.now() < until) {
    const againMs = await bed.reconcile()
    each()
    bed.pods.reap()
    bed.advance(Math.min(againMs ?? 10_000, 10_000))
  }
  return bed.pods.of('create').length
}

void t.test(
  'an image that cannot be pulled costs as many creates as may start at once, in an hour',
  async (t) => {
    const bed = await bedFor(t, { min: 8, max: 20, refill: { inFlight: 3 } })
    const creates = await hourOf(bed, () => {
      for (const uid of bed.pods.real.keys())
        bed.pods.change(uid, { trouble: { cause: 'image', message: 'ImagePullBackOff' } })
    })
    t.equal(creates, 3)
  },
)

void t.test('agents that die at start cost at most 30 creates in an hour', async (t) => {
  const bed = await bedFor(t, { min: 8, max: 20, refill: { inFlight: 8 } })
  const creates = await hourOf(bed, () => {
    for (const uid of bed.pods.real.keys()) bed.pods.change(uid, { deadReason: 'agent container ended' })
  })
  t.ok(creates > 8, 'it does try again')
  // 8 at first, then 4, 2, 1, … while the pause doubles from 1 s to 5 minutes: 21 + 12 an hour less what has passed.
  t.ok(creates <= 30, `${creates} creates`)
  t.ok(bed.pods.real.size <= 1, 'and no dead pod is kept')
})

const allWell = { boundBy: undefined, message: undefined, problem: undefined }
const minutes = [1_000, 2_000, 4_000, 8_000, 16_000]
const seconds = [1_000, 2_000, 4_000, 5_000, 5_000]
const shared = [1_000, 2_000, 2_000, 2_000, 2_000]

for (const [reason, expected] of [
  ['denied', minutes],
  ['invalid', minutes],
  ['quota', seconds],
  ['limit-range', seconds],
  ['forbidden', shared],
  ['webhook', shared],
  ['api', shared],
] as const) {
  void t.test(`creates refused (${reason}): backoff, a notice, one report, and recovery`, async (t) => {
    const bed = await bedFor(t, { min: 4, max: 10 })
    bed.pods.refuse('create', refusal(reason, `${reason}: no`))
    const waits: number[] = []
    for (let n = 0; n < 5; n += 1) {
      await bed.reconcile()
      const againMs = await bed.reconcile()
      t.ok(againMs, 'it waits')
      waits.push(againMs ?? 0)
      bed.advance(againMs ?? 0)
    }
    t.strictSame(waits, expected)
    t.strictSame(new Set(bed.reports), new Set([`PodCreateFailed: ${reason}: ${reason}: no`]), 'one series')
    t.equal(bed.reports.length, 5, 'which counts each try')
    t.equal(bed.lines.filter((line) => line.includes('pod could not be created')).length, 1, 'logged once')
    t.match(bed.notices.get(agentType), {
      boundBy: reason === 'quota' || reason === 'limit-range' ? reason : 'backoff',
      message: `${reason}: no`,
      problem: { cause: reason, count: 5, nextTryAt: new Date(bed.now()).toISOString() },
    })
    t.match(
      await bed.metrics.registry.metrics(),
      `greenroom_pool_problem{agent_type="echo-agent",cause="${reason}"} 1`,
    )
    t.equal(bed.pods.real.size, 0)
    bed.pods.refuse('create', undefined)
    await bed.settle()
    t.equal(bed.pods.real.size, 4, 'none too many')
    t.strictSame(bed.notices.get(agentType), allWell)
    t.notMatch(await bed.metrics.registry.metrics(), /pool_problem\{/)
  })
}

void t.test(
  'another template is tried at once, and a refusal without a cause any more is forgotten',
  async (t) => {
    const bed = await bedFor(t, { min: 2, max: 10 })
    bed.pods.refuse('create', refusal('invalid', 'bad image name'))
    for (let n = 0; n < 5; n += 1) bed.advance((await bed.reconcile()) ?? 0)
    await bed.reconcile()
    bed.pods.refuse('create', undefined)
    bed.setPools(poolsOf({ min: 2, max: 10, template: { image: 'better' } }))
    await bed.settle()
    t.equal(bed.pods.real.size, 2)

    bed.setPools(poolsOf({ min: 3, max: 10, template: { image: 'better' } }))
    bed.pods.refuse('create', refusal('quota', 'exceeded quota'))
    await bed.reconcile()
    t.match(bed.notices.get(agentType), { boundBy: 'quota', message: 'exceeded quota' })
    bed.setPools(poolsOf({ min: 2, max: 10, template: { image: 'better' } }))
    await bed.reconcile()
    t.strictSame(bed.notices.get(agentType), allWell)
  },
)

void t.test('quota full for 74 s: 20 creates at most, and a pod at once when there is room', async (t) => {
  const bed = await bedFor(t, { min: 4, max: 10 })
  let creates = 0
  const create = bed.pods.writer.create.bind(bed.pods.writer)
  bed.pods.writer.create = (...args) => {
    creates += 1
    return create(...args)
  }
  bed.pods.refuse('create', refusal('quota', 'exceeded quota'))
  for (const until = bed.now() + 74_000; bed.now() < until; bed.advance(500)) await bed.reconcile()
  t.ok(creates <= 20, `${creates} creates`)
  bed.pods.refuse('create', undefined)
  await bed.reconcile()
  t.equal(bed.pods.real.size, 0, 'it waits for its next try, 5 s at most')
  t.strictSame(bed.poolReconciler.ease(['limit-range']), [])
  t.strictSame(bed.poolReconciler.ease(['quota']), [agentType])
  await bed.reconcile()
  t.equal(bed.pods.real.size, 1, 'one pod tries')
  await bed.settle()
  t.equal(bed.pods.real.size, 4)
})

void t.test('while an open waits, a full quota is tried each two seconds', async (t) => {
  const bed = await bedFor(t, { min: 4, max: 10 })
  bed.pods.refuse('create', refusal('quota', 'exceeded quota'))
  for (let n = 0; n < 6; n += 1) bed.advance((await bed.reconcile()) ?? 0)
  await bed.reconcile()
  bed.waiting.opens = 1
  t.ok(((await bed.reconcile()) ?? 0) <= 2_000)
})

void t.test('another min is tried at once after a broken template as well', async (t) => {
  const bed = await bedFor(t, { min: 2, max: 10 })
  bed.pods.refuse('create', refusal('invalid', 'no'))
  for (let n = 0; n < 8; n += 1) bed.advance((await bed.reconcile()) ?? 0)
  await bed.reconcile()
  bed.pods.refuse('create', undefined)
  bed.setPools(poolsOf({ min: 3, max: 10 }))
  await bed.settle()
  t.equal(bed.pods.real.size, 3)
})

for (const after of [true, false]) {
  void t.test(
    `creates without an answer, ${after ? 'done' : 'not done'} all the same: never too many`,
    async (t) => {
      const bed = await bedFor(t, { min: 3, max: 10 })
      bed.pods.refuse('create', { error: refusal('api', 'socket hang up', false), after })
      bed.pods.lag()
      await bed.reconcile()
      bed.pods.refuse('create', undefined)
      for (let n = 0; n < 5; n += 1) {
        bed.advance(10_000)
        bed.pods.ready()
        await bed.reconcile()
      }
      t.ok(bed.pods.real.size <= 3, 'the places are held')
      bed.pods.catchUp()
      bed.advance(expectationTtlMs)
      await bed.settle()
      // Nobody noted those that were made: they are replaced.
      bed.advance(unnotedGraceMs)
      await bed.settle()
      bed.pods.reap()
      await bed.settle()
      t.equal(bed.pods.real.size, 3)
      t.same(bed.pods.of('delete'), after ? ['uid-1', 'uid-2', 'uid-3'] : [])
    },
  )
}

void t.test(
  'an API server that was away without an answer: the pool is filled as soon as it lists again',
  async (t) => {
    const bed = await bedFor(t, { min: 1, max: 10 })
    bed.pods.refuse('create', refusal('api', 'no answer within 10000 ms', false))
    bed.pods.refuse('exists', refusal('api', 'no answer within 10000 ms', false))
    for (let n = 0; n < 10; n += 1) {
      await bed.reconcile()
      bed.advance(2_000)
    }
    bed.pods.refuse('create', undefined)
    bed.pods.refuse('exists', undefined)
    await bed.reconcile()
    t.equal(bed.pods.real.size, 1, 'no place is held for a create that was never done')
  },
)

void t.test('a write that fails does not cut the others short', async (t) => {
  const bed = await bedFor(t, { min: 2, max: 10 })
  await bed.settle()
  await bed.claim('uid-1')
  bed.pods.refuse('label', refusal('forbidden', 'may not patch'))
  const create = bed.pods.writer.create.bind(bed.pods.writer)
  const slow = Promise.withResolvers<void>()
  bed.pods.writer.create = async (...args) => {
    await slow.promise
    return create(...args)
  }
  let ended = false
  const run = bed.reconcile().finally(() => {
    ended = true
  })
  run.catch(() => undefined)
  await redis.ping()
  await bed.ledger.claimsOf([])
  await new Promise((resolve) => setImmediate(resolve))
  t.notOk(ended, 'a create is still under way')
  slow.resolve()
  await t.rejects(run, { message: 'may not patch' })
  t.equal(bed.pods.of('create').length, 3, 'the refill was done')
})

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

const noImage = { cause: 'image', message: 'ImagePullBackOff' } as const

void t.test(
  'an image that cannot be pulled: one pod tries, at most 75 an hour; a cure shows in 30 s',
  async (t) => {
    const bed = await bedFor(t, { min: 8, max: 20 })
    let most = 0
    const fail = (): void => {
      for (const pod of bed.pods.real.values())
        bed.pods.change(pod.uid, { trouble: noImage, startingSince: pod.createdAt })
      const staying = [...bed.pods.real.values()].filter(({ deletingSince }) => deletingSince === undefined)
      most = Math.max(most, staying.length)
    }
    const creates = await hourOf(bed, fail)
    t.ok(creates > 50 && creates <= 75, `${creates} creates`)
    t.equal(most, 1, 'at a time')
    t.match(bed.notices.get(agentType), { problem: { cause: 'image' }, boundBy: 'backoff' })
    const curedAt = bed.now()
    // The registry is back: the next pod that is made can pull, at the latest.
    while (bed.pods.of('create').length === creates) {
      bed.advance(1_000)
      await bed.reconcile()
    }
    t.ok(bed.now() - curedAt <= 30_000, `the next pull ${bed.now() - curedAt} ms after the cure`)
    await bed.settle()
    bed.advance(6_000)
    await bed.settle()
    t.match(bed.notices.get(agentType), { problem: undefined })
    t.equal(
      [...bed.pods.real.values()].filter(({ readySince, deletingSince }) => readySince && !deletingSince)
        .length,
      8,
    )
  },
)

void t.test('a pod that is not Ready by the deadline is replaced, and its cause is told', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 3, startDeadlineSeconds: 30 })
  await bed.reconcile()
  bed.pods.change('uid-1', { startingSince: bed.now() })
  bed.advance(29_000)
  await bed.reconcile()
  t.strictSame(bed.pods.of('delete'), [])
  bed.advance(1_000)
  await bed.reconcile()
  t.strictSame(bed.pods.of('delete'), ['uid-1'])
  t.match(bed.reports, ['PodStartFailed: deadline: not Ready 30 s after it got its node'])
  t.match(bed.notices.get(agentType), { problem: { cause: 'deadline', remedy: /startDeadlineSeconds/ } })
  t.match((await bed.ledger.claimsOf(['uid-1'])).get('uid-1'), {
    purpose: 'retired',
    reason: 'failed to start: deadline',
  })
  bed.advance(1_000)
  await bed.settle()
  t.strictSame(bed.pods.of('create'), ['uid-1', 'uid-2'])
})

void t.test(
  'the last failed pods stay for a look: retired, marked, below max; the oldest go first',
  async (t) => {
    const bed = await bedFor(t, { min: 1, max: 4, keepFailed: 2 })
    for (let failures = 0; failures < 4; failures += 1) {
      await bed.reconcile()
      for (const { uid, deadReason } of bed.pods.real.values())
        if (!deadReason) bed.pods.change(uid, { deadReason: 'agent container ended' })
      await bed.reconcile()
      bed.pods.reap()
      await bed.reconcile()
      bed.advance(30_000)
    }
    t.same(
      [...bed.pods.real.values()].map(({ uid, stateLabel }) => [uid, stateLabel]),
      [
        ['uid-3', 'failed'],
        ['uid-4', 'failed'],
      ],
    )
    t.strictSame(bed.pods.of('label'), ['uid-1', 'uid-2', 'uid-3', 'uid-4'], 'each once')
    t.strictSame(bed.pods.of('delete'), ['uid-1', 'uid-2'])
    await bed.settle()
    t.match(bed.pods.real.get('uid-5'), { deadReason: undefined }, 'they hold up no refill')
    bed.setPools(poolsOf({ min: 1, max: 4 }))
    await bed.reconcile()
    t.strictSame(bed.pods.of('delete'), ['uid-1', 'uid-2', 'uid-3', 'uid-4'], 'no longer wanted')
  },
)

void t.test('a refill rate holds over every look', async (t) => {
  const bed = await bedFor(t, { min: 6, max: 10, refill: { perSecond: 0.5 } })
  const begun = bed.now()
  while (bed.pods.of('create').length < 6) {
    const againMs = await bed.reconcile()
    bed.pods.ready()
    bed.advance(Math.min(againMs ?? 500, 500))
    t.ok(bed.pods.of('create').length <= 1 + (bed.now() - begun) / 2_000)
  }
  t.ok(bed.now() - begun <= 11_000, 'and no slower')
  t.equal(bed.notices.get(agentType)?.boundBy, undefined)
})

void t.test('agents that die at start cost at most 150 creates in an hour', async (t) => {
  const bed = await bedFor(t, { min: 8, max: 20, refill: { inFlight: 8 } })
  const creates = await hourOf(bed, () => {
    for (const uid of bed.pods.real.keys()) bed.pods.change(uid, { deadReason: 'agent container ended' })
  })
  t.ok(creates > 8, 'it does try again')
  // One each 25 s, so that a cure outside is seen within 30 s: 144 an hour.
  t.ok(creates <= 150, `${creates} creates`)
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
    t.match(bed.notices.get(agentType), allWell)
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
    t.match(bed.notices.get(agentType), allWell)
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
  bed.pods.ready()
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
      const bed = await bedFor(t, { min: 1, max: 10 })
      await bed.settle()
      bed.setPools(poolsOf({ min: 4, max: 10 }))
      bed.pods.refuse('create', { error: refusal('api', 'socket hang up', false), after })
      bed.pods.lag()
      await bed.reconcile()
      bed.pods.refuse('create', undefined)
      for (let n = 0; n < 5; n += 1) {
        bed.advance(10_000)
        bed.pods.ready()
        await bed.reconcile()
      }
      t.ok(bed.pods.real.size <= 4, 'the places are held')
      bed.pods.catchUp()
      bed.advance(expectationTtlMs)
      await bed.settle()
      // Nobody noted those that were made: they are replaced.
      bed.advance(unnotedGraceMs)
      await bed.settle()
      bed.pods.reap()
      await bed.settle()
      t.equal(bed.pods.real.size, 4)
      t.same(bed.pods.of('delete'), after ? ['uid-2', 'uid-3', 'uid-4'] : [])
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

import t from 'tap'
import { replayDecisions } from '../../src/domain/pool-decision.ts'
import { agentType, poolsOf } from './controller-bed.ts'
import { type PoolBed, startPoolServers } from './pool-bed.ts'

/** The size of a pool over a real database, look by look; the mathematics has its tests in domain/sizing. */

const { bedFor } = await startPoolServers(t)

const idle = (bed: PoolBed) =>
  [...bed.pods.real.values()].filter((pod) => pod.deletingSince === undefined).length

void t.test('a buffer is kept beside the claimed pods, and the notice says why', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 20, sizing: { buffer: { pods: 4 } } })
  await bed.settle()
  t.equal(idle(bed), 4)
  t.match(bed.sizings.get(agentType), { mode: 'apply', target: 4, sentence: /^4 idle pods: / })
  t.equal(await gauge(bed, 'poolTarget'), 4)
  await bed.claim('uid-1')
  await bed.settle()
  t.equal(idle(bed), 5)
})

void t.test('mode recommend shows what the rule would have, and min stays', async (t) => {
  const bed = await bedFor(t, { min: 2, max: 20, sizing: { mode: 'recommend', buffer: { pods: 9 } } })
  bed.waiting.opens = 5
  await bed.settle()
  t.equal(idle(bed), 2)
  t.match(bed.sizings.get(agentType), { mode: 'recommend', target: 2, recommended: 9 })
  t.equal(await gauge(bed, 'poolRecommended'), 9)
  bed.setPools(poolsOf({ min: 2, max: 20 }))
  await bed.reconcile()
  t.equal(bed.sizings.get(agentType)?.recommended, undefined)
  t.equal(await gauge(bed, 'poolRecommended'), undefined)
})

void t.test('opens that wait get pods beyond the target, which stay owed when they give up', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 20, sizing: { fixed: 1 } })
  bed.waiting.opens = 3
  await bed.reconcile()
  bed.pods.ready()
  await bed.settle()
  t.equal(idle(bed), 4)
  bed.waiting.opens = 0
  await bed.settle()
  t.equal(idle(bed), 4, 'they may come again')
  bed.advance(600_001)
  await bed.settle()
  t.equal(idle(bed), 1)
})

void t.test(
  'a window raises the pool one start-up time before it begins, and asks for no poll',
  async (t) => {
    const bed = await bedFor(t, { min: 1, max: 20 })
    const inTwoHours = new Date(bed.now() + 2 * 3_600_000)
    const start = inTwoHours.setUTCSeconds(0, 0)
    const cron = `${inTwoHours.getUTCMinutes()} ${inTwoHours.getUTCHours()} * * *`
    bed.setPools(poolsOf({ min: 1, max: 20, schedule: [{ cron, durationMinutes: 30, min: 6 }] }))
    const againMs = (await bed.reconcile()) ?? 0
    t.equal(bed.now() + againMs, start - 60_000, 'a minute, before there is data')
    bed.advance(againMs - 1)
    await bed.settle()
    t.equal(idle(bed), 1)
    bed.advance(1)
    await bed.settle()
    t.equal(idle(bed), 6)
    t.match(bed.sizings.get(agentType), { target: 6, sentence: /UTC/ })
    bed.advance(start + 30 * 60_000 - bed.now())
    await bed.settle()
    t.equal(idle(bed), 1)
  },
)

void t.test('what was decided can be decided once more, from the rows alone', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 20, sizing: { hitRate: { target: 0.99 } } })
  for (let n = 0; n < 30; n += 1) {
    await bed.reconcile()
    bed.advance(1_700)
    bed.pods.ready()
    bed.demand.counts = { since: 1, arrivals: n * 3, misses: n }
    if (n % 10 === 9) await bed.poolTargets.flush()
  }
  bed.setPools(poolsOf({ min: 1, max: 20, sizing: { buffer: { percent: 50 } } }))
  await bed.reconcile()
  await bed.poolTargets.flush()
  const decisions = await bed.sizingLedger.decisions(agentType, 1_000)
  t.ok(decisions.length >= 30)
  t.equal(decisions.filter(({ base }) => base).length, 2, 'the first, and the one after the rule changed')
  t.same(replayDecisions(decisions), { replayed: decisions.length, skipped: 0 })
  const [bent] = decisions.slice(-1)
  if (!bent) throw new Error('no decision')
  t.match(replayDecisions([...decisions.slice(0, -1), { ...bent, target: bent.target + 1 }]), {
    difference: { decision: { step: bent.step } },
  })
  t.same(
    replayDecisions(decisions.slice(5)),
    { replayed: 1, skipped: decisions.length - 6 },
    'from the next base',
  )
})

void t.test('the next leader goes on with what the last one remembered', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 50, sizing: { hitRate: { target: 0.99 } } })
  await bed.settle()
  bed.demand.counts = { since: 1, arrivals: 40, misses: 5 }
  await bed.settle()
  await bed.poolTargets.flush()
  const before = bed.sizings.get(agentType)
  const next = await bed.successor()
  next.setPools(bed.pools.current())
  next.demand.counts = bed.demand.counts
  await next.reconcile()
  t.equal(next.sizings.get(agentType)?.target, before?.target)
  await next.poolTargets.flush()
  const [last] = (await next.sizingLedger.decisions(agentType, 1)).slice(-1)
  t.match(last, { step: 0, input: { arrivals: 0 } })
  t.ok(last?.base?.state, 'it began from the state of the one before')
  t.ok(replayDecisions(await next.sizingLedger.decisions(agentType, 1_000)).difference === undefined)
})

void t.test('what a burst needed stays for two minutes, and only then idle pods go', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 50, sizing: { hitRate: { target: 0.99 } } })
  await bed.settle()
  const looks = async (seconds: number): Promise<void> => {
    for (let passed = 0; passed < seconds; passed += 5) {
      bed.advance(5_000)
      await bed.settle()
      bed.pods.reap()
    }
  }
  for (let arrivals = 1; arrivals <= 24; arrivals += 1) {
    bed.demand.counts = { since: 1, arrivals, misses: 0 }
    await looks(5)
  }
  const needed = idle(bed)
  t.ok(needed > 3, `${needed} pods`)
  await looks(90)
  t.strictSame(bed.pods.of('delete'), [])
  t.equal(idle(bed), needed)
  await looks(600)
  t.ok(idle(bed) < needed, `${needed} -> ${idle(bed)} pods`)
  t.equal(bed.pods.of('delete').length, needed - idle(bed))
})

void t.test('a memory that cannot be used begins anew, with a line in the log', async (t) => {
  const bed = await bedFor(t, { min: 2, max: 20, sizing: { buffer: { pods: 3 } } })
  for (const kept of [{ state: { version: 99 } }, 'rubbish', {}]) {
    await bed.postgres.durable.query('DELETE FROM pool_sizing')
    await bed.sizingLedger.keep([{ agentType, decidedAt: 1, kept }])
    bed.poolTargets.begin()
    await bed.settle()
    t.equal(bed.sizings.get(agentType)?.target, 3)
  }
  t.equal(
    bed.lines.filter((line) => line.includes('the memory of a pool is not usable; it begins anew')).length,
    3,
  )
})

void t.test('a quiet pool decides each five seconds; whatever happens decides at once', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 20, sizing: { buffer: { pods: 1 } } })
  await bed.settle()
  await bed.poolTargets.flush()
  const count = async () => {
    await bed.poolTargets.flush()
    return (await bed.sizingLedger.decisions(agentType, 1_000)).length
  }
  const before = await count()
  for (let n = 0; n < 4; n += 1) await bed.reconcile()
  t.equal(await count(), before)
  bed.advance(5_000)
  await bed.reconcile()
  t.equal(await count(), before + 1)
  bed.demand.counts = { since: 1, arrivals: 1, misses: 0 }
  await bed.reconcile()
  t.equal(await count(), before + 2)
})

void t.test('starts that fail stop the growth; a removed pool leaves nothing behind', async (t) => {
  const bed = await bedFor(t, { min: 1, max: 20, sizing: { buffer: { percent: 75 } } })
  await bed.settle()
  await bed.claim('uid-1')
  await bed.settle()
  t.match(bed.sizings.get(agentType), { target: 3 })
  await bed.claim('uid-2')
  bed.pods.change('uid-3', { deadReason: 'exit code 1' })
  await bed.reconcile()
  t.match(bed.sizings.get(agentType), { target: 3, terms: { quantile: 6, boundBy: 'failing' } })
  bed.setPools({ pools: {} })
  for (const uid of bed.pods.real.keys()) bed.pods.vanish(uid)
  await bed.reconcile()
  t.equal(await gauge(bed, 'poolTarget'), undefined)
})

async function gauge(bed: PoolBed, name: 'poolTarget' | 'poolRecommended'): Promise<number | undefined> {
  return (await bed.metrics[name].get()).values[0]?.value
}

import fc from 'fast-check'
import t from 'tap'
import {
  nextYield,
  noYield,
  type PendingPod,
  type YieldingPool,
  type YieldState,
  yieldedBy,
} from '../../src/domain/yield-pods.ts'

const milli = 10n ** 6n
const cpu = (amount: number, more: Record<string, bigint> = {}) => ({ cpu: BigInt(amount) * milli, ...more })
const pod = (uid: string, amount = 1_000): PendingPod => ({ uid, name: uid, requests: cpu(amount) })
const pool = (agentType: string, spare: number, amount = 100): YieldingPool => ({
  agentType,
  requests: cpu(amount),
  spare,
})

/** Looks each second from the given time on, as reconciles do. Returns the pods given up at each look. */
function looks(
  seconds: number,
  from: { state?: YieldState; at?: number },
  pending: readonly PendingPod[],
  pools: readonly YieldingPool[],
) {
  let state = from.state ?? noYield
  const counts: number[] = []
  let at = from.at ?? 1_000_000
  for (let second = 0; second < seconds; second += 1, at += 1_000) {
    state = nextYield(state, { pending, pools, now: at })
    counts.push(pools.reduce((sum, { agentType }) => sum + yieldedBy(state, agentType), 0))
  }
  return { state, counts, at, last: counts.at(-1) }
}

void t.test('idle pods go in steps until they are as much as what waits', async (t) => {
  const { counts } = looks(30, {}, [pod('a')], [pool('p', 40)])
  t.same(
    counts.slice(0, 7),
    [4, 4, 8, 8, 10, 10, 10],
    'a tenth of the spare each two seconds, ten times 100m in all',
  )
  t.same(
    looks(9, {}, [pod('a')], [pool('p', 3)]).counts.slice(0, 6),
    [1, 1, 2, 2, 3, 3],
    'never more than is spare',
  )
  t.same(looks(9, {}, [], [pool('p', 3)]).last, 0)
  t.same(looks(9, {}, [pod('a')], [pool('p', 0)]).last, 0, 'min stays')
  const several = looks(60, {}, [pod('a', 400), pod('b', 400)], [pool('p', 6), pool('q', 9)])
  t.equal(several.last, 8)
  t.same(several.state.given, { p: 3, q: 5 }, 'from the pool that has most to spare')
})

void t.test('a pod that asks for what no pool has makes nobody yield', async (t) => {
  const gpu = { uid: 'g', name: 'g', requests: cpu(100, { 'nvidia.com/gpu': 10n ** 9n }) }
  t.equal(looks(20, {}, [gpu], [pool('p', 9)]).last, 0)
  t.equal(looks(20, {}, [gpu, pod('a', 100)], [pool('p', 9)]).last, 1)
})

void t.test('the room stays for 30 s after the last pod was bound, and comes back', async (t) => {
  const made = looks(20, {}, [pod('a', 300)], [pool('p', 20)])
  t.equal(made.last, 3)
  const held = looks(30, made, [], [pool('p', 20)])
  t.same([held.counts[0], held.last], [3, 3])
  t.equal(looks(1, held, [], [pool('p', 20)]).last, 0)
})

void t.test('a pod that was bound sits in its room: the next one gets its own', async (t) => {
  const first = looks(20, {}, [pod('a', 300)], [pool('p', 20)])
  t.equal(looks(20, first, [pod('b', 300)], [pool('p', 20)]).last, 6)
})

void t.test('a pod that our room does not help is forgotten after a minute, for ten', async (t) => {
  const pools = [pool('p', 20)]
  const made = looks(50, {}, [pod('a', 300)], pools)
  t.equal(made.last, 3)
  const tired = looks(60, made, [pod('a', 300)], pools)
  t.equal(tired.last, 0, 'the pool has its pods again')
  t.equal(looks(500, tired, [pod('a', 300)], pools).last, 0)
  t.equal(looks(20, tired, [pod('a', 300), pod('b', 200)], pools).last, 2, 'another one counts')
  t.equal(
    looks(700, tired, [pod('a', 300)], pools).counts.some((count) => count > 0),
    true,
    'and then it is tried again',
  )
})

void t.test('a pool that wants less gives less', async (t) => {
  const made = looks(20, {}, [pod('a')], [pool('p', 40)])
  t.equal(looks(1, made, [pod('a')], [pool('p', 4)]).last, 4)
  t.equal(looks(1, made, [pod('a')], []).last, 0)
})

void t.test('properties', async () => {
  const anyStep = fc.record({
    pending: fc.uniqueArray(fc.nat({ max: 5 }), { maxLength: 4 }),
    spare: fc.nat({ max: 30 }),
    passedMs: fc.integer({ min: -5_000, max: 90_000 }),
  })
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      let state = noYield
      let now = 1_000_000
      return steps.every(({ pending, spare, passedMs }) => {
        now += passedMs
        const before = yieldedBy(state, 'p')
        const asked = pending.map((index) => pod(`u${index}`, 100 + index * 100))
        state = nextYield(state, { pending: asked, pools: [pool('p', spare)], now })
        const given = yieldedBy(state, 'p')
        return (
          given <= spare &&
          given - before <= Math.max(1, Math.floor(spare * 0.1)) &&
          (pending.length > 0 || given <= before) &&
          JSON.stringify(Object.keys(state.asked)).length < 1_000
        )
      })
    }),
  )
})

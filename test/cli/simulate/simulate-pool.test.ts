import fc from 'fast-check'
import t from 'tap'
import { missesOfFixedSizes } from '../../../src/cli/simulate/hindsight-size.ts'
import { createSeededDraws } from '../../../src/cli/simulate/seeded-draws.ts'
import { type SimulatedLoad, simulatePool } from '../../../src/cli/simulate/simulate-pool.ts'
import { poissonClaims, stepClaims } from '../../../src/cli/simulate/synthetic-claims.ts'
import { stepSizing } from '../../../src/domain/sizing/next-target.ts'
import { emptySizingState } from '../../../src/domain/sizing/sizing-state.ts'

const monday = Date.UTC(2026, 0, 5)
const day = 86_400

function load(
  claimTimes: readonly number[] | Float64Array,
  more: Partial<SimulatedLoad> = {},
): SimulatedLoad {
  return { claimTimes: Float64Array.from(claimTimes), epochMs: monday, nextStartSeconds: () => 10, ...more }
}

void t.test('a claim takes a ready pod, or waits its turn for the next one to become Ready', (t) => {
  // Two pods are there. The third claim takes the first replacement, ordered at 20; the fourth the second.
  const result = simulatePool(load([20, 21, 22, 23]), () => 2)
  t.equal(result.misses, 2)
  t.same([...result.waits], [8, 8])
  t.equal(result.idlePodSeconds, 2 * 20 + 1, 'two until 20, one until 21')
  t.equal(result.created, 2 + 4)
  t.end()
})

void t.test('max, start slots and creates per second hold pods back', (t) => {
  const waits = (limits: SimulatedLoad['limits']) => [
    ...simulatePool(load([1, 1, 1], { limits: limits ?? {} }), () => 0).waits,
  ]
  t.same(waits({}), [10, 10, 10])
  t.same(waits({ startSlots: 1 }), [10, 20, 30])
  t.same(waits({ createsPerSecond: 0.5 }), [10, 12, 14])
  t.same(waits({ max: 2 }), [10, 10], 'the third waits for ever')
  t.end()
})

void t.test('the one-pass count is the simulation of each fixed size, to the last claim', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 40, max: 400 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 6 }),
      (times, size) => {
        // Half seconds: no claim comes at the moment in which a pod becomes Ready.
        const claims = load(times.map((time, index) => time + index / 1_000).sort((a, b) => a - b))
        const counted = missesOfFixedSizes(claims).misses[size] ?? 0
        return simulatePool(claims, () => size).misses === counted
      },
    ),
  )
  t.end()
})

/** Reference starts: median 6 s, and 40 s more for one in a hundred. */
function nextStart(seed: number): () => number {
  const draws = createSeededDraws(seed)
  return () => 6 * Math.exp(0.5 * draws.normal()) + (draws.uniform() < 0.01 ? 40 : 0)
}

function play(claimTimes: Float64Array, seed: number, sizer?: () => number) {
  const state = emptySizingState(monday)
  const spec = { mode: 'apply', hitRate: { target: 0.99 } } as const
  const bounds = { min: 0, max: 1_000 }
  const given = load(claimTimes, { nextStartSeconds: nextStart(seed), countedFrom: day })
  const { claims, misses, idlePodSeconds, countedSeconds } = simulatePool(
    given,
    sizer ?? ((input) => stepSizing(state, { spec, bounds, input }).target),
  )
  return { hitRate: 1 - misses / claims, idle: idlePodSeconds / countedSeconds }
}

void t.test('hitRate meets its target on steady load, at the price of the best fixed size', (t) => {
  for (const seed of [101, 102]) {
    const claims = poissonClaims(createSeededDraws(seed), 4 * day, 0.2)
    const ours = play(claims, seed)
    const fixed = play(claims, seed, () => 6)
    t.ok(Math.abs(ours.hitRate - 0.99) < 0.003, `${ours.hitRate}`)
    t.ok(fixed.hitRate >= 0.99 && ours.idle < 1.1 * fixed.idle, `${ours.idle} beside ${fixed.idle}`)
  }
  t.end()
})

void t.test('a step at nine is known on the second day, and the night is cheap', (t) => {
  const claims = stepClaims(createSeededDraws(103), 4 * day, 0.02, 1)
  const ours = play(claims, 103)
  const fixed = play(claims, 103, () => 16)
  t.ok(Math.abs(ours.hitRate - 0.99) < 0.004, `${ours.hitRate}`)
  t.ok(fixed.hitRate >= 0.99 && ours.idle < 0.65 * fixed.idle, `${ours.idle} beside ${fixed.idle}`)
  t.end()
})

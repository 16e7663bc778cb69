import fc from 'fast-check'
import t from 'tap'
import { explainTarget } from '../../../src/domain/sizing/explain-target.ts'
import { nextTarget } from '../../../src/domain/sizing/next-target.ts'
import { readSizingState } from '../../../src/domain/sizing/read-sizing-state.ts'
import type { SizingBounds, SizingInput } from '../../../src/domain/sizing/sizing-input.ts'
import type { SizingSpec } from '../../../src/domain/sizing/sizing-spec.ts'
import { emptySizingState, type SizingState } from '../../../src/domain/sizing/sizing-state.ts'

const quiet: SizingInput = {
  now: Date.UTC(2026, 0, 5),
  arrivals: 0,
  misses: 0,
  starts: [],
  failing: false,
  oldestStartSeconds: 0,
  claimed: 0,
  ready: 0,
  starting: 0,
  waiting: 0,
}
const wide: SizingBounds = { min: 0, max: 1_000 }

function decide(
  spec: Omit<SizingSpec, 'mode'>,
  input: Partial<SizingInput> = {},
  bounds: Partial<SizingBounds> = {},
) {
  return nextTarget({
    spec: { mode: 'apply', ...spec },
    bounds: { ...wide, ...bounds },
    state: undefined,
    input: { ...quiet, ...input },
  })
}

/** One claim each `everySeconds`, each finding its pod; pods take `startSeconds`. */
function steady(
  spec: SizingSpec,
  {
    claims = 300,
    everySeconds = 5,
    startSeconds = 8,
    bounds = wide,
    state: first = undefined as SizingState | undefined,
  } = {},
) {
  let state = first
  let last = nextTarget({ spec, bounds, state, input: quiet })
  for (let claim = 1; claim <= claims; claim += 1) {
    const starting = Math.min(last.target, Math.round(startSeconds / everySeconds))
    const input = {
      ...quiet,
      now: (state?.at ?? quiet.now) + everySeconds * 1_000,
      arrivals: 1,
      starts: [startSeconds],
      ready: last.target - starting,
      starting,
    }
    last = nextTarget({ spec, bounds, state, input })
    state = last.state
  }
  return last
}

function hitRate(target: number, more: Partial<NonNullable<SizingSpec['hitRate']>> = {}): SizingSpec {
  return { mode: 'apply', hitRate: { target, ...more } }
}

void t.test('fixed is the number, whatever the load', (t) => {
  t.equal(decide({ fixed: 7 }).target, 7)
  t.equal(decide({ fixed: 7 }, { claimed: 90, waiting: 4 }).target, 7)
  t.equal(explainTarget(decide({ fixed: 1 }).terms), '1 idle pod: the fixed number of this pool is 1.')
  t.end()
})

void t.test("buffer is Agones' share of all pods, or a number of pods", (t) => {
  const expected = [
    [0, 20, 0],
    [1, 20, 1],
    [8, 20, 2],
    [9, 20, 3],
    [100, 10, 12],
    [7, 99, 693],
  ] as const
  for (const [claimed, percent, idle] of expected)
    t.equal(decide({ buffer: { percent } }, { claimed }).target, idle, `${percent} % beside ${claimed}`)
  t.equal(decide({ buffer: { pods: 3 } }, { claimed: 50 }).target, 3)
  t.end()
})

void t.test('min and the schedule raise, max and the quota have the last word', (t) => {
  const scheduled = { pods: 20, window: 'morning' }
  t.match(decide({ fixed: 7 }, {}, { min: 9 }), { target: 9, terms: { boundBy: 'min' } })
  t.match(decide({ fixed: 7 }, { scheduled }), { target: 20, terms: { boundBy: 'schedule' } })
  t.match(decide({ fixed: 7 }, { claimed: 95 }, { max: 100 }), { target: 5, terms: { boundBy: 'max' } })
  t.match(decide({ fixed: 7 }, { claimed: 14 }, { quota: 16 }), { target: 2, terms: { boundBy: 'quota' } })
  t.equal(decide({ fixed: 7 }, { claimed: 20 }, { max: 10, min: 5 }).target, 0, 'never negative')
  t.end()
})

void t.test('a pool without history keeps three pods, and its target says why', (t) => {
  const { target, terms } = decide({ hitRate: { target: 0.999 } })
  t.equal(target, 3)
  t.equal(
    explainTarget(terms),
    '3 idle pods: 0.00833 claims/s x 8.63 s to start = 0.0719 pods under way; 99.9 % of opens need 3.',
  )
  t.end()
})

void t.test('while starts fail, or none comes to an end, the target does not grow', (t) => {
  const spec: SizingSpec = { mode: 'apply', fixed: 9 }
  const bounds = { min: 2, max: 100 }
  const state = { ...emptySizingState(quiet.now), target: 4 }
  const failing = { ...quiet, failing: true }
  t.match(nextTarget({ spec, bounds, state, input: failing }), { target: 4, terms: { boundBy: 'failing' } })
  t.equal(nextTarget({ spec: { mode: 'apply', fixed: 3 }, bounds, state, input: failing }).target, 3)
  t.equal(nextTarget({ spec, bounds, state: undefined, input: failing }).target, 2, 'min holds')
  const stuck = { ...quiet, oldestStartSeconds: 3_000, starting: 1 }
  t.match(nextTarget({ spec, bounds, state, input: stuck }), { target: 4, terms: { boundBy: 'slowStarts' } })
  t.equal(nextTarget({ spec, bounds, state, input: { ...stuck, starts: [8] } }).target, 9, 'others do start')
  t.end()
})

void t.test('starts that fail teach nothing about start times', (t) => {
  const input = { ...quiet, failing: true, starts: [500, 500, 500] }
  const { state } = nextTarget({ spec: hitRate(0.999), bounds: wide, state: undefined, input })
  t.same(state.leads, emptySizingState(quiet.now).leads)
  t.end()
})

void t.test('more claims, longer starts and a higher goal need more pods', (t) => {
  const quantile = (goal: number, everySeconds: number, startSeconds: number) =>
    steady(hitRate(goal), { everySeconds, startSeconds }).terms.quantile
  const goals = [0.5, 0.9, 0.99, 0.999, 0.9999].map((goal) => quantile(goal, 5, 8))
  const rates = [60, 20, 5, 1, 0.2].map((every) => quantile(0.999, every, 8))
  const leads = [1, 4, 16, 64].map((seconds) => quantile(0.999, 5, seconds))
  for (const sizes of [goals, rates, leads])
    t.same(
      sizes,
      [...sizes].sort((a, b) => a - b),
      sizes.join(' '),
    )
  t.ok((rates.at(-1) ?? 0) > (rates[0] ?? 0) && (leads.at(-1) ?? 0) > (leads[0] ?? 0))
  t.end()
})

void t.test('maxIdle and the budget cap the rule, and min stands above both', (t) => {
  const busy = { everySeconds: 0.5 }
  t.match(steady(hitRate(0.999, { maxIdle: 3 }), busy), {
    target: 3,
    terms: { boundBy: 'maxIdle', maxIdle: 3 },
  })
  const budget = { idlePodHoursPerDay: 24 }
  // One idle pod on average, beside the 16 that are always starting.
  const poor = steady(hitRate(0.999, { budget }), { ...busy, claims: 40_000 })
  t.match(poor.terms, { boundBy: 'budget' })
  t.ok(poor.target <= 18, String(poor.target))
  const min = { ...busy, bounds: { min: 12, max: 1_000 } }
  t.match(steady(hitRate(0.999, { maxIdle: 3 }), min), { target: 12, terms: { boundBy: 'min' } })
  t.end()
})

void t.test('recommend shows the target; misses of the pool as it is are no debt of the rule', (t) => {
  const spec: SizingSpec = { ...hitRate(0.999), mode: 'recommend' }
  const { state } = steady(spec, { claims: 50 })
  const missed = { ...quiet, now: state.at + 1_000, arrivals: 5, misses: 5, waiting: 5 }
  const next = nextTarget({ spec, bounds: wide, state, input: missed })
  t.equal(next.state.errors.debt, 0)
  t.equal(next.state.target, 0, 'what is in force is min')
  t.ok(next.target > 0)
  const applied = nextTarget({ spec: hitRate(0.999), bounds: wide, state, input: missed })
  t.ok(applied.state.errors.debt > 4)
  t.end()
})

const input: fc.Arbitrary<SizingInput & { readonly afterMs: number }> = fc.record({
  now: fc.constant(0),
  // The clock may jump back an hour, or leave out a year.
  afterMs: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 60_000 }) },
    fc.integer({ min: -3_600_000, max: 86_400_000 }),
    fc.constant(365 * 86_400_000),
  ),
  arrivals: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 100_000 })),
  misses: fc.nat(10),
  starts: fc.array(
    fc.oneof(fc.double({ min: 0, max: 100_000, noNaN: true }), fc.constantFrom(Number.NaN, -1)),
    {
      maxLength: 4,
    },
  ),
  failing: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
  oldestStartSeconds: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e6, noNaN: true })),
  claimed: fc.nat(500),
  ready: fc.nat(500),
  starting: fc.nat(500),
  waiting: fc.nat(500),
})

const anySpec: fc.Arbitrary<SizingSpec> = fc.oneof(
  fc.record({ mode: fc.constantFrom('apply', 'recommend'), fixed: fc.nat(50) }),
  fc.constantFrom(
    hitRate(0.5),
    hitRate(0.9999),
    hitRate(0.999, { maxIdle: 20, budget: { idlePodHoursPerDay: 0.5 } }),
    { ...hitRate(0.99), mode: 'recommend' as const },
    { mode: 'apply' as const, buffer: { percent: 99 } },
  ),
)

void t.test('whatever comes: a whole number between min and max, a bounded state, and one future', (t) => {
  const bounds = fc.record({
    min: fc.nat(10),
    max: fc.integer({ min: 10, max: 2_000 }),
    quota: fc.nat(2_000),
  })
  fc.assert(
    fc.property(fc.array(input, { maxLength: 40 }), anySpec, bounds, (inputs, spec, bounds) => {
      let state: SizingState | undefined
      let now = quiet.now
      for (const { afterMs, ...rest } of inputs) {
        now += afterMs
        const given = { spec, bounds, input: { ...rest, now } }
        const before = JSON.stringify(state)
        const next = nextTarget({ ...given, state })
        if (JSON.stringify(state) !== before) throw new Error('the given state was changed')
        // What PostgreSQL gives back is the same state, with the same future.
        const stored = before === undefined ? undefined : readSizingState(JSON.parse(before))
        if (before !== undefined && stored === undefined) throw new Error('the state cannot be read back')
        const again = nextTarget({ ...given, state: stored })
        if (JSON.stringify(again) !== JSON.stringify(next)) throw new Error('another future')
        const room = Math.max(0, Math.min(bounds.max, bounds.quota) - rest.claimed)
        if (!Number.isInteger(next.target) || next.target > room) throw new Error(`target ${next.target}`)
        if (next.target < Math.min(bounds.min, room)) throw new Error(`below min: ${next.target}`)
        const numbers = Object.values(next.terms).filter((term) => typeof term === 'number')
        if (!numbers.every(Number.isFinite)) throw new Error(JSON.stringify(next.terms))
        if (explainTarget(next.terms).includes('NaN')) throw new Error(explainTarget(next.terms))
        state = next.state
      }
      return JSON.stringify(state ?? null).length < 64 * 1024
    }),
    { numRuns: 150 },
  )
  t.end()
})

void t.test('a state of another version or with a hole is not read', (t) => {
  const state = emptySizingState(quiet.now)
  t.same(readSizingState(JSON.parse(JSON.stringify(state))), state)
  const damaged: unknown[] = [
    undefined,
    null,
    [],
    'state',
    { ...state, version: 2 },
    { ...state, at: null },
    { ...state, season: { ...state.season, weekday: [1, 2, 3] } },
    { ...state, past: { ...state.past, chosen: 9 } },
    { ...state, recent: { slots: [[1]] } },
    { ...state, growth: { steps: Array.from({ length: 1_001 }, () => [0, 0]) } },
  ]
  for (const stored of damaged)
    t.equal(readSizingState(stored), undefined, JSON.stringify(stored)?.slice(0, 60))
  t.end()
})

import fc from 'fast-check'
import t from 'tap'
import type { SlotView } from '../../src/domain/pool-observation.ts'
import { type PlanInput, type PoolPlan, planPool, startBackoffMs } from '../../src/domain/pool-plan.ts'
import { podClaim, retiredClaim, slotView } from './slot-views.ts'

type Overrides = Partial<Omit<PlanInput, 'desired'>> & { desired?: Partial<PlanInput['desired']> }

/** min 2, max 10, in-flight 5, nothing there: say only what matters. */
function plan({ desired, ...rest }: Overrides = {}): PoolPlan {
  return planPool({
    desired: { min: 2, cold: 0, max: 10, inFlight: 5, frozen: false, ...desired },
    slots: [],
    pendingCreates: 0,
    pendingRemovals: new Set(),
    failures: { count: 0, lastAt: 0 },
    now: 100_000,
    ...rest,
  })
}

/** `many(3, 'ready')`: r0 (oldest) to r2. */
function many(count: number, state: SlotView['state'], overrides: Partial<SlotView> = {}): SlotView[] {
  const prefix = overrides.drifted ? `drifted-${state[0]}` : state[0]
  return Array.from({ length: count }, (_, index) =>
    slotView(`${prefix}${index}`, state, { createdAt: 1_000 + index, ...overrides }),
  )
}

const nothing = { create: 0, retire: [], requeueAfterMs: undefined, boundBy: undefined }
const drifted = { drifted: true }

const table: { name: string; given: Overrides; expect: Partial<PoolPlan> }[] = [
  { name: 'an empty pool is filled', given: {}, expect: { ...nothing, create: 2 } },
  {
    name: 'ready, warming and pending creates are idle',
    given: { desired: { min: 3 }, slots: [...many(1, 'ready'), ...many(1, 'warming')], pendingCreates: 1 },
    expect: nothing,
  },
  {
    name: 'claimed pods do not use up min',
    given: { slots: many(5, 'claimed') },
    expect: { ...nothing, create: 2 },
  },
  {
    name: 'max is idle and claimed together',
    given: { slots: many(9, 'claimed') },
    expect: { ...nothing, create: 1, boundBy: 'max' },
  },
  {
    name: 'Terminating pods count against max until they are gone',
    given: { slots: [...many(5, 'claimed'), ...many(5, 'draining')] },
    expect: { ...nothing, boundBy: 'max' },
  },
  {
    name: 'pending creates count against max',
    given: { desired: { min: 5 }, slots: many(8, 'claimed'), pendingCreates: 2 },
    expect: { ...nothing, boundBy: 'max' },
  },
  {
    name: 'in-flight bounds warming and pending creates',
    given: { desired: { min: 9 }, slots: many(2, 'warming'), pendingCreates: 1 },
    expect: { ...nothing, create: 2, boundBy: 'in-flight' },
  },
  {
    name: 'until a pod of the template was Ready, three start at a time',
    given: { desired: { min: 9, inFlight: 9 }, unproven: true },
    expect: { ...nothing, create: 3, boundBy: 'in-flight' },
  },
  {
    name: 'the three count what starts already',
    given: { desired: { min: 9, inFlight: 9 }, slots: many(2, 'warming'), pendingCreates: 1, unproven: true },
    expect: { ...nothing, boundBy: 'in-flight' },
  },
  {
    name: 'the wait that is given counts, not the one of the count',
    given: { failures: { count: 5, lastAt: 99_000, backoffMs: 2_000 } },
    expect: { ...nothing, requeueAfterMs: 1_000, boundBy: 'backoff' },
  },
  {
    name: 'sessions that wait for a pod made for them are pods beyond min, below max',
    given: { desired: { min: 2, cold: 3, max: 4 }, slots: many(2, 'warming') },
    expect: { ...nothing, create: 2, boundBy: 'max' },
  },
  {
    name: 'a pod made for a session that waits is no surplus',
    given: { desired: { min: 2, cold: 1 }, slots: many(3, 'warming') },
    expect: nothing,
  },
  {
    name: 'surplus goes, oldest first',
    given: { slots: many(4, 'ready').toReversed() },
    expect: { ...nothing, retire: ['r0', 'r1'] },
  },
  {
    name: 'a pool lowered while it warms keeps its ready pods: those that serve nobody go first',
    given: { desired: { min: 3 }, slots: [...many(3, 'ready'), ...many(2, 'warming')] },
    expect: { ...nothing, retire: ['w0', 'w1'] },
  },
  {
    name: 'surplus takes drifted ready pods before fresh older ones',
    given: {
      desired: { min: 1 },
      slots: [...many(2, 'ready'), slotView('young-drifted', 'ready', { drifted: true, createdAt: 9_000 })],
    },
    // r0 follows at the next look: the place beyond min for a roll-out ends with the last drifted pod.
    expect: { ...nothing, retire: ['young-drifted'] },
  },
  {
    name: 'a lowered max retires idle pods, never claimed ones',
    given: { desired: { min: 2, max: 3 }, slots: [...many(3, 'claimed'), ...many(2, 'ready')] },
    expect: { create: 0, retire: ['r0', 'r1'] },
  },
  {
    name: 'a pending removal is no longer idle and is not retired again',
    given: { slots: many(2, 'ready'), pendingRemovals: new Set(['r0']) },
    expect: { ...nothing, create: 1 },
  },
  {
    name: 'a dead unclaimed pod is retired and replaced',
    given: { slots: [...many(1, 'ready'), ...many(1, 'failed')] },
    expect: { ...nothing, create: 1, retire: ['f0'] },
  },
  {
    name: 'a dead pod holds its place below max until it is gone',
    given: { desired: { min: 1, max: 1 }, slots: many(1, 'failed') },
    expect: { ...nothing, retire: ['f0'], boundBy: 'max' },
  },
  {
    name: 'a dead pod that a session holds is the session reconciler’s',
    given: {
      slots: [...many(2, 'ready'), slotView('x', 'failed', { claim: podClaim('x') })],
    },
    expect: nothing,
  },
  {
    name: 'frozen: nothing voluntary, the dead go',
    given: { desired: { frozen: true }, slots: [...many(5, 'warming'), ...many(1, 'failed')] },
    expect: { ...nothing, retire: ['f0'], boundBy: 'frozen' },
  },
  {
    name: 'after a failed start nothing is created until the back-off is over, and it says when',
    given: { failures: { count: 3, lastAt: 99_000 } },
    expect: { ...nothing, requeueAfterMs: 3_000, boundBy: 'backoff' },
  },
  {
    name: 'after the back-off fewer starts at a time, half for each failure',
    given: { desired: { min: 9, inFlight: 8 }, failures: { count: 2, lastAt: 0 } },
    expect: { ...nothing, create: 2, boundBy: 'backoff' },
  },
  {
    name: 'after many failures one start at a time',
    given: { desired: { min: 9, inFlight: 8 }, failures: { count: 50, lastAt: -300_000 } },
    expect: { ...nothing, create: 1, boundBy: 'backoff' },
  },
  {
    name: 'back-off does not keep surplus',
    given: { slots: many(3, 'ready'), failures: { count: 3, lastAt: 99_000 } },
    expect: { ...nothing, retire: ['r0'] },
  },
  {
    name: 'drift: a fresh pod is made first',
    given: { slots: many(2, 'ready', drifted) },
    expect: { ...nothing, create: 1 },
  },
  {
    name: 'drift: nothing goes while the fresh one warms',
    given: { slots: [...many(2, 'ready', drifted), ...many(1, 'warming')] },
    expect: nothing,
  },
  {
    name: 'drift: then the oldest drifted one goes, and the next fresh one is made',
    given: { slots: [...many(2, 'ready', drifted), ...many(1, 'ready')] },
    expect: { ...nothing, create: 1, retire: ['drifted-r0'] },
  },
  {
    name: 'drift: the last one goes without another',
    given: { slots: [...many(1, 'ready', drifted), ...many(2, 'ready')] },
    expect: { ...nothing, retire: ['drifted-r0'] },
  },
  {
    name: 'drift: one step at a time, while a retired pod is leaving',
    given: {
      slots: [
        ...many(2, 'ready', drifted),
        ...many(1, 'ready'),
        slotView('gone-soon', 'draining', { claim: retiredClaim('gone-soon'), deletingSince: 120_000 }),
      ],
    },
    expect: nothing,
  },
  {
    name: 'drift: a retired pod that hangs holds up nothing',
    given: {
      slots: [
        ...many(2, 'ready', drifted),
        ...many(1, 'ready'),
        slotView('hangs', 'draining', { claim: retiredClaim('hangs'), deletingSince: 80_000 }),
      ],
    },
    expect: { ...nothing, create: 1, retire: ['drifted-r0'] },
  },
  {
    name: 'drift: ten per cent of a large pool at a time',
    given: { desired: { min: 30, max: 100, inFlight: 20 }, slots: many(30, 'ready', drifted) },
    expect: { ...nothing, create: 3 },
  },
  {
    name: 'drift: no room above min, so the pods stay until sessions take them',
    given: { desired: { min: 2, max: 2 }, slots: many(2, 'ready', drifted) },
    expect: { ...nothing, boundBy: 'max' },
  },
  {
    name: 'drift: pods of a broken template, never ready, make way even when they fill the in-flight places',
    given: { desired: { inFlight: 2 }, slots: many(2, 'warming', drifted) },
    expect: { create: 1, retire: ['drifted-w0'] },
  },
]

for (const { name, given, expect } of table) {
  void t.test(name, async (t) => {
    t.match(plan(given), expect)
    t.strictSame(plan(given).retire, expect.retire ?? plan(given).retire, 'order of retirement')
  })
}

void t.test('back-off doubles from a second to five minutes', async (t) => {
  t.strictSame(
    [0, 1, 2, 3, 9, 10, 1_000].map(startBackoffMs),
    [0, 1_000, 2_000, 4_000, 256_000, 300_000, 300_000],
  )
})

// --- Properties ------------------------------------------------------------------------------------------------------

const anySlot = fc
  .record({
    state: fc.constantFrom('warming', 'ready', 'claimed', 'draining', 'failed'),
    createdAt: fc.integer({ min: 0, max: 5 }),
    drifted: fc.boolean(),
    deletingSince: fc.integer({ min: 50_000, max: 150_000 }),
    retired: fc.boolean(),
    held: fc.boolean(),
  })
  .map(({ state, createdAt, drifted, deletingSince, retired, held }) => {
    if (state === 'draining') return { state, createdAt, drifted, deletingSince, retired }
    return { state, createdAt, drifted, held }
  })

const anySlots = fc.array(anySlot, { maxLength: 25 }).map((drafts) =>
  drafts.map((draft, index): SlotView => {
    const uid = `p${index}`
    const { state, createdAt, drifted } = draft
    const claim =
      'retired' in draft && draft.retired
        ? retiredClaim(uid)
        : state === 'claimed' || (state === 'failed' && 'held' in draft && draft.held)
          ? podClaim(uid)
          : undefined
    const deletingSince = 'deletingSince' in draft ? draft.deletingSince : undefined
    return slotView(uid, state, { createdAt, drifted, claim, deletingSince })
  }),
)

const anyInput: fc.Arbitrary<PlanInput> = fc
  .record({
    min: fc.integer({ min: 0, max: 30 }),
    aboveMin: fc.integer({ min: 0, max: 15 }),
    inFlight: fc.integer({ min: 1, max: 30 }),
    frozen: fc.boolean(),
    cold: fc.nat({ max: 4 }),
    slots: anySlots,
    pendingCreates: fc.nat({ max: 5 }),
    removals: fc.array(fc.nat({ max: 24 }), { maxLength: 5 }),
    failures: fc.record({ count: fc.nat({ max: 12 }), lastAt: fc.integer({ min: 0, max: 100_000 }) }),
  })
  .map(({ min, aboveMin, inFlight, frozen, cold, slots, pendingCreates, removals, failures }) => ({
    desired: { min, cold, max: min + aboveMin, inFlight, frozen },
    slots,
    pendingCreates,
    pendingRemovals: new Set(removals.map((index) => `p${index}`)),
    failures,
    now: 100_000,
  }))

function byUid(input: PlanInput): Map<string, SlotView> {
  return new Map(input.slots.map((slot) => [slot.podUid, slot]))
}

/** Idle pods that stay as they are: neither retired by this plan nor by an earlier one. */
function readyAfter(input: PlanInput, { retire }: PoolPlan): number {
  return input.slots.filter(
    ({ podUid, state, claim }) =>
      state === 'ready' &&
      claim === undefined &&
      !retire.includes(podUid) &&
      !input.pendingRemovals.has(podUid),
  ).length
}

const properties: Record<string, (input: PlanInput, plan: PoolPlan) => boolean> = {
  'what exists and what is created never exceed max': ({ desired, slots, pendingCreates }, { create }) =>
    create === 0 || slots.length + pendingCreates + create <= desired.max,
  'warming pods and creates never exceed in-flight': (input, { create, retire }) => {
    const warming = input.slots.filter(
      ({ podUid, state, claim }) =>
        state === 'warming' && !claim && !retire.includes(podUid) && !input.pendingRemovals.has(podUid),
    ).length
    return create === 0 || warming + input.pendingCreates + create <= input.desired.inFlight
  },
  'only unclaimed, living or dead pods that are not leaving are retired, each once': (input, { retire }) => {
    const slots = byUid(input)
    return (
      new Set(retire).size === retire.length &&
      retire.every((uid) => {
        const slot = slots.get(uid)
        return slot?.claim === undefined && slot?.state !== 'draining' && !input.pendingRemovals.has(uid)
      })
    )
  },
  'every dead unclaimed pod is retired': (input, { retire }) =>
    input.slots.every(
      ({ podUid, state, claim }) =>
        state !== 'failed' || claim || input.pendingRemovals.has(podUid) || retire.includes(podUid),
    ),
  'a ready pod goes only while the idle floor stays': (input, plan) => {
    const before = readyAfter(input, { ...plan, retire: [] })
    const after = readyAfter(input, plan)
    const claimed = input.slots.filter(
      ({ podUid, state }) => state === 'claimed' && !input.pendingRemovals.has(podUid),
    ).length
    return (
      after >= Math.min(before, input.desired.min, Math.max(0, input.desired.max - claimed)) ||
      after === before
    )
  },
  'frozen: no create, and only the dead are retired': (input, { create, retire }) =>
    !input.desired.frozen ||
    (create === 0 && retire.every((uid) => byUid(input).get(uid)?.state === 'failed')),
  'waiting for a back-off always has an end': ({ failures, now }, { requeueAfterMs }) =>
    requeueAfterMs === undefined ||
    (requeueAfterMs > 0 && now + requeueAfterMs === failures.lastAt + startBackoffMs(failures.count)),
  'fewer than min idle and nothing to do has a reason': (input, { create, boundBy }) => {
    const idle = input.slots.filter(
      ({ podUid, state, claim }) =>
        (state === 'ready' || state === 'warming') && !claim && !input.pendingRemovals.has(podUid),
    ).length
    return idle + input.pendingCreates + create >= input.desired.min || boundBy !== undefined
  },
  'the order of the slots does not matter': (input, plan) =>
    JSON.stringify(planPool({ ...input, slots: input.slots.toReversed() })) === JSON.stringify(plan),
  'more min never means fewer creates': (input, { create }) =>
    planPool({
      ...input,
      desired: {
        ...input.desired,
        min: input.desired.min + 1,
        max: Math.max(input.desired.max, input.desired.min + 1),
      },
    }).create >= create,
  'more max never means fewer creates': (input, { create }) =>
    planPool({ ...input, desired: { ...input.desired, max: input.desired.max + 1 } }).create >= create,
  'a pending create never means more creates': (input, { create }) =>
    planPool({ ...input, pendingCreates: input.pendingCreates + 1 }).create <= create,
  'more failures never mean more creates': (input, { create }) =>
    planPool({ ...input, failures: { ...input.failures, count: input.failures.count + 1 } }).create <= create,
}

for (const [name, holds] of Object.entries(properties)) {
  void t.test(`property: ${name}`, async () => {
    fc.assert(
      fc.property(anyInput, (input) => holds(input, planPool(input))),
      { numRuns: 2_000 },
    )
  })
}

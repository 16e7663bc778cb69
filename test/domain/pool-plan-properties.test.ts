import fc from 'fast-check'
import t from 'tap'
import type { SlotView } from '../../src/domain/pool-observation.ts'
import { failedStartBackoffMs, type PlanInput, type PoolPlan, planPool } from '../../src/domain/pool-plan.ts'
import { podClaim, retiredClaim, slotView } from './slot-views.ts'

/** What holds of every plan; single cases are in pool-plan.test.ts. */

const anySlot = fc
  .record({
    state: fc.constantFrom('warming', 'ready', 'claimed', 'draining', 'failed'),
    // Some are younger than the patience with a pod that tries a new template.
    createdAt: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 65_000, max: 99_000 })),
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
    rollStep: fc.option(fc.nat({ max: 4 }), { nil: undefined }),
    unproven: fc.boolean(),
    allowed: fc.option(fc.double({ min: 0, max: 6, noNaN: true }), { nil: undefined }),
  })
  .map(({ min, aboveMin, inFlight, frozen, cold, slots, pendingCreates, removals, failures, ...more }) => ({
    desired: { min, cold, max: min + aboveMin, inFlight, frozen, rollStep: more.rollStep },
    slots,
    pendingCreates,
    pendingRemovals: new Set(removals.map((index) => `p${index}`)),
    failures,
    unproven: more.unproven,
    ...(more.allowed !== undefined && { allowance: { pods: more.allowed, nextMs: 50 } }),
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
  'waiting always has an end': ({ failures, slots, now }, { requeueAfterMs, boundBy }) =>
    requeueAfterMs === undefined ||
    requeueAfterMs === 50 ||
    (requeueAfterMs > 0 &&
      (boundBy === 'in-flight'
        ? slots.some(({ createdAt }) => now + requeueAfterMs === createdAt + 30_000)
        : now + requeueAfterMs === failures.lastAt + failedStartBackoffMs(failures.count))),
  'a new template is tried by one pod, and by three at most': (input, { create, retire }) => {
    const trying = input.slots.filter(
      ({ podUid, state, claim, drifted }) =>
        state === 'warming' &&
        !claim &&
        !drifted &&
        !retire.includes(podUid) &&
        !input.pendingRemovals.has(podUid),
    )
    const silent = trying.filter(({ createdAt }) => input.now - createdAt >= 30_000).length
    const places = Math.min(3, 1 + silent) - trying.length - input.pendingCreates
    return !input.unproven || create <= Math.max(0, places)
  },
  'fewer than min idle and nothing to do has a reason': (input, { create, boundBy }) => {
    const idle = input.slots.filter(
      ({ podUid, state, claim }) =>
        (state === 'ready' || state === 'warming') && !claim && !input.pendingRemovals.has(podUid),
    ).length
    return idle + input.pendingCreates + create >= input.desired.min || boundBy !== undefined
  },
  'a roll-out replaces no more at a time than its step': (
    { desired, slots, pendingRemovals },
    { retire },
  ) => {
    const claimed = slots.filter(({ podUid, state }) => state === 'claimed' && !pendingRemovals.has(podUid))
    const idle = slots.filter(
      ({ podUid, state, claim }) =>
        (state === 'ready' || state === 'warming') && !claim && !pendingRemovals.has(podUid),
    )
    const gone = idle.filter(({ podUid }) => retire.includes(podUid)).length
    // What is beyond the goal goes in any case.
    const goal = Math.min(desired.min + desired.cold, Math.max(0, desired.max - claimed.length))
    const step = desired.rollStep ?? Math.max(1, Math.floor(desired.min / 10))
    return gone <= Math.max(0, idle.length - goal) + step
  },
  'no more creates than the rate allows': ({ allowance }, { create }) =>
    allowance === undefined || create <= allowance.pods,
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

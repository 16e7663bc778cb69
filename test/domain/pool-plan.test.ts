import t from 'tap'
import type { SlotView } from '../../src/domain/pool-observation.ts'
import {
  failedStartBackoffMs,
  type PlanInput,
  type PoolPlan,
  planPool,
  startBackoffMs,
} from '../../src/domain/pool-plan.ts'
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
const noImage = { cause: 'image', message: 'ErrImagePull' } as const

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
    name: 'a quota binds as max does',
    given: { desired: { min: 5 }, quotaPlaces: 2 },
    expect: { ...nothing, create: 2, boundBy: 'quota' },
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
    name: 'a pod without its image is the probe: no other is made beside it',
    given: { desired: { min: 9 }, slots: many(1, 'warming', { trouble: noImage }) },
    expect: { ...nothing, boundBy: 'backoff' },
  },
  {
    name: 'a node that cannot pull holds up nothing: a later pod became Ready',
    given: {
      desired: { min: 5 },
      slots: [...many(1, 'warming', { trouble: noImage }), ...many(1, 'ready', { readySince: 90_000 })],
    },
    expect: { ...nothing, create: 3 },
  },
  {
    name: 'after 15 s one probe is enough',
    given: { slots: many(3, 'warming', { trouble: noImage, createdAt: 85_000 }) },
    expect: { retire: ['w0', 'w1'], create: 0 },
  },
  {
    name: 'a rate allows fewer pods, and says when the next',
    given: { desired: { min: 9 }, allowance: { pods: 2.5, nextMs: 250 } },
    expect: { create: 2, boundBy: 'refill-rate', requeueAfterMs: 250 },
  },
  {
    name: 'a kept failed pod counts below max, and no roll-out waits for it',
    given: {
      desired: { min: 1, max: 3 },
      slots: [
        ...many(2, 'ready', { drifted: true }),
        slotView('k', 'draining', { deletingSince: undefined, claim: retiredClaim('k') }),
      ],
      kept: new Set(['k']),
    },
    expect: { retire: ['drifted-r0'], create: 0 },
  },
  {
    name: 'until a pod of the template was Ready, one tries it',
    given: { desired: { min: 9 }, unproven: true },
    expect: { ...nothing, create: 1, boundBy: 'in-flight' },
  },
  {
    name: 'a create in flight is that one',
    given: { desired: { min: 9 }, pendingCreates: 1, unproven: true },
    expect: { ...nothing, boundBy: 'in-flight' },
  },
  {
    name: 'a drifted pod that starts is not that one',
    given: { desired: { min: 9 }, slots: many(1, 'warming', drifted), unproven: true },
    expect: { retire: ['drifted-w0'], create: 1 },
  },
  {
    name: 'a pod that is silent for 30 s may have a bad node: then another tries, and it says when',
    given: { desired: { min: 9 }, slots: many(1, 'warming', { createdAt: 71_000 }), unproven: true },
    expect: { ...nothing, boundBy: 'in-flight', requeueAfterMs: 1_000 },
  },
  {
    name: 'after that time two try',
    given: { desired: { min: 9 }, slots: many(1, 'warming', { createdAt: 70_000 }), unproven: true },
    expect: { ...nothing, create: 1, boundBy: 'in-flight' },
  },
  {
    name: 'at most three',
    given: { desired: { min: 9, inFlight: 9 }, slots: many(3, 'warming'), unproven: true },
    expect: { ...nothing, boundBy: 'in-flight' },
  },
  {
    name: 'a pod that says why it does not start stays alone, however long',
    given: { desired: { min: 9 }, slots: many(1, 'warming', { trouble: noImage }), unproven: true },
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
  t.strictSame(
    [0, 1, 5, 6, 1_000].map(failedStartBackoffMs),
    [0, 1_000, 16_000, 25_000, 25_000],
    'pods that do not start',
  )
})

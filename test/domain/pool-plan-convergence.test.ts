import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { AgentPod } from '../../src/domain/agent-pod.ts'
import { createPoolExpectations, type PoolExpectations } from '../../src/domain/pool-expectations.ts'
import { observePool } from '../../src/domain/pool-observation.ts'
import { type DesiredPool, type PoolPlan, planPool } from '../../src/domain/pool-plan.ts'
import type { PodClaim } from '../../src/domain/slot.ts'
import { agentPod, podClaim, retiredClaim } from './slot-views.ts'

/**
 * Observation, expectations and plan played against a small world: an API that answers late, an informer that shows
 * late, pods that take their time to start and to go, sessions that come and go, a template that changes.
 */

interface Scenario {
  readonly seed: number
  readonly min: number
  readonly aboveMin: number
  readonly inFlight: number
  /** Chance of an open per tick while sessions come. */
  readonly demand: number
  readonly changesTemplate: boolean
}

const tickMs = 50
const informerLagMs = 500
const busyTicks = 400
/** Far more than any start, grace period and lag together: after it nothing may move any more. */
const quietTicks = 2_000

function createWorld(scenario: Scenario, expectations: PoolExpectations) {
  const random = mulberry32(scenario.seed)
  const upTo = (ms: number): number => Math.floor(random() * ms)
  const desired: DesiredPool = {
    min: scenario.min,
    cold: 0,
    max: scenario.min + scenario.aboveMin,
    inFlight: scenario.inFlight,
    frozen: false,
  }
  const pods = new Map<string, AgentPod>()
  const claims = new Map<string, PodClaim>()
  const shown = new Map<string, AgentPod>()
  const events: { at: number; uid: string; pod: AgentPod | undefined }[] = []
  const timers: { at: number; run: () => void }[] = []
  const seen = { creates: 0, retired: 0, sessions: 0, mostPods: 0, toReplace: 0, plans: [] as PoolPlan[] }
  let now = 0
  let template = 'v1'
  let creating = 0

  const after = (ms: number, run: () => void) => timers.push({ at: now + ms, run })

  function change(uid: string, pod: AgentPod | undefined): void {
    if (pod) pods.set(uid, pod)
    else pods.delete(uid)
    // A watch delivers in order: nothing overtakes what was sent before it.
    events.push({ at: Math.max(now + upTo(informerLagMs), events.at(-1)?.at ?? 0), uid, pod })
  }

  function create(): void {
    const ticket = expectations.createSent(now)
    const hash = template
    const uid = `p${String(seen.creates).padStart(4, '0')}`
    seen.creates += 1
    creating += 1
    after(upTo(200), () => {
      creating -= 1
      change(uid, agentPod(uid, { createdAt: now, templateHash: hash }))
      after(upTo(300), () => expectations.createAnswered(ticket, uid, now))
      after(200 + upTo(3_000), () => {
        const pod = pods.get(uid)
        if (pod && pod.deletingSince === undefined) change(uid, { ...pod, readySince: now })
      })
    })
  }

  function remove(uid: string): void {
    const pod = pods.get(uid)
    if (!pod || pod.deletingSince !== undefined) return
    change(uid, { ...pod, deletingSince: now })
    after(upTo(2_000), () => change(uid, undefined))
  }

  function retire(uid: string): void {
    expectations.removalSent(uid, now)
    if (claims.has(uid)) return expectations.removalFailed(uid)
    claims.set(uid, retiredClaim(uid))
    seen.retired += 1
    after(upTo(200), () => remove(uid))
  }

  function open(): void {
    const free = [...pods.values()].filter(
      ({ uid, readySince, deletingSince }) => readySince && !deletingSince && !claims.has(uid),
    )
    const pod = free[upTo(free.length)]
    if (!pod) return
    seen.sessions += 1
    claims.set(pod.uid, podClaim(pod.uid))
    after(upTo(8_000), () => {
      claims.set(pod.uid, podClaim(pod.uid, { sessionStatus: 'ENDING' }))
      remove(pod.uid)
    })
  }

  function observe() {
    return observePool({
      agentType: 'echo-agent',
      pods: [...shown.values()],
      claims: new Map(claims),
      templateHash: template,
    })
  }

  function reconcile(): PoolPlan {
    expectations.settle(new Set(shown.keys()), now)
    const plan = planPool({
      desired,
      slots: observe().slots,
      pendingCreates: expectations.pendingCreates(),
      pendingRemovals: expectations.pendingRemovals(),
      failures: { count: 0, lastAt: 0 },
      now,
    })
    for (const uid of plan.retire) retire(uid)
    for (let made = 0; made < plan.create; made += 1) create()
    return plan
  }

  function deliver(): void {
    while (events[0] && events[0].at <= now) {
      const { uid, pod } = events.shift() as (typeof events)[number]
      if (pod) shown.set(uid, pod)
      else {
        shown.delete(uid)
        expectations.podGone(uid)
      }
    }
  }

  function tick(): void {
    now += tickMs
    const due = timers.filter(({ at }) => at <= now)
    for (const timer of due) {
      timers.splice(timers.indexOf(timer), 1)
      timer.run()
    }
    deliver()
    seen.mostPods = Math.max(seen.mostPods, pods.size + creating)
  }

  function run(): PoolPlan {
    for (let ticks = 0; ticks < busyTicks; ticks += 1) {
      tick()
      if (random() < scenario.demand) open()
      if (ticks === busyTicks / 2 && scenario.changesTemplate) {
        template = 'v2'
        seen.toReplace = seen.creates - [...claims.values()].length
      }
      // Several reconciles on the same stale view, or none for a while: both happen.
      while (random() < 0.4) reconcile()
    }
    for (let ticks = 0; ticks < quietTicks; ticks += 1) {
      tick()
      if (random() < 0.3) reconcile()
    }
    return reconcile()
  }

  return { run, seen, desired, observe }
}

const anyScenario: fc.Arbitrary<Scenario> = fc.record({
  seed: fc.nat(),
  min: fc.integer({ min: 0, max: 14 }),
  aboveMin: fc.integer({ min: 0, max: 12 }),
  inFlight: fc.integer({ min: 1, max: 20 }),
  demand: fc.constantFrom(0, 0.02, 0.2),
  changesTemplate: fc.boolean(),
})

const runs = { numRuns: 60 }

void t.test('property: the pool settles at min idle pods and then does nothing', async () => {
  fc.assert(
    fc.property(anyScenario, (scenario) => {
      const world = createWorld(scenario, createPoolExpectations())
      const last = world.run()
      const { counts, slots } = world.observe()
      assert.deepEqual({ create: last.create, retire: last.retire }, { create: 0, retire: [] }, 'a fixpoint')
      assert.deepEqual(counts, { ready: scenario.min, warming: 0, claimed: 0, draining: 0, failed: 0 })
      if (scenario.aboveMin > 0) assert.ok(!slots.some(({ drifted }) => drifted), 'rolled')
    }),
    runs,
  )
})

void t.test(
  'property: never more than max pods exist, and nothing is created that was not needed',
  async () => {
    fc.assert(
      fc.property(anyScenario, (scenario) => {
        const { run, seen, desired } = createWorld(scenario, createPoolExpectations())
        run()
        assert.ok(seen.mostPods <= desired.max, `${seen.mostPods} pods of at most ${desired.max}`)
        // Conservation: what was created was used by a session, replaced by a roll-out, or is still there.
        assert.equal(seen.creates, scenario.min + seen.sessions + seen.retired)
        assert.ok(seen.retired <= seen.toReplace, `retired ${seen.retired}, drifted ${seen.toReplace}`)
      }),
      runs,
    )
  },
)

void t.test('without expectations the same world over-creates: they are what holds the line', async (t) => {
  const real = createPoolExpectations()
  const forgetful: PoolExpectations = { ...real, pendingCreates: () => 0 }
  const scenario = { seed: 7, min: 5, aboveMin: 5, inFlight: 20, demand: 0, changesTemplate: false }
  const { run, seen, desired } = createWorld(scenario, forgetful)
  run()
  t.ok(seen.mostPods > desired.max, `${seen.mostPods} pods of at most ${desired.max}`)
})

/** A small seeded generator: the same scenario plays the same way again. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

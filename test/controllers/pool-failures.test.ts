import t from 'tap'
import { createPoolFailures } from '../../src/controllers/pool-failures.ts'
import { createSharedOutage } from '../../src/controllers/shared-outage.ts'
import { PodWriteError, type PodWriteReason } from '../../src/domain/pod-write-error.ts'
import { checkPools, type PoolSpec } from '../../src/domain/pool.ts'
import type { SlotView } from '../../src/domain/pool-observation.ts'
import { type PoolPlan, planPool } from '../../src/domain/pool-plan.ts'
import { slotView } from '../domain/slot-views.ts'

/** The waits and the words of one pool that does not get its pods, on a clock of the test. */

const start = 1_000_000
const agentType = 'echo-agent'

function specOf(settings: object = {}): PoolSpec {
  const pool = { template: { image: 'e' }, min: 2, max: 10, ...settings }
  const checked = checkPools(JSON.stringify({ pools: { [agentType]: pool } }))
  if (!checked.ok) throw new Error(checked.problems.join())
  return checked.value.pools[agentType] as PoolSpec
}

function bed() {
  const clock = { at: start }
  const now = () => clock.at
  const outage = createSharedOutage(now)
  const failures = createPoolFailures({ agentType, outage, now })
  let spec = specOf()
  let slots: SlotView[] = []
  const observed = () => {
    const counts = { warming: 0, ready: 0, claimed: 0, draining: 0, failed: 0 }
    for (const { state } of slots) counts[state] += 1
    return { slots, counts }
  }
  const look = (isWaitedFor = false): PoolPlan => {
    failures.observe(observed(), spec)
    return planPool({
      desired: { min: 2, cold: 0, max: 10, inFlight: 20, frozen: false },
      slots,
      pendingCreates: 0,
      pendingRemovals: new Set(),
      failures: failures.forPlan(isWaitedFor),
      now: now(),
    })
  }
  look()
  const refuse = (reason: PodWriteReason, message = `${reason}: no`, isWaitedFor = false) =>
    failures.answered([new PodWriteError(reason, message, { answered: true })], isWaitedFor)
  return {
    clock,
    outage,
    failures,
    look,
    refuse,
    pass: () => failures.answered([], false),
    show: (...next: SlotView[]) => {
      slots = next
    },
    setSpec: (next: PoolSpec) => {
      spec = next
    },
    /** The waits between refused tries. */
    waits: (reason: PodWriteReason, tries: number, isWaitedFor = false): number[] =>
      Array.from({ length: tries }, () => {
        refuse(reason, undefined, isWaitedFor)
        const waitMs = look(isWaitedFor).requeueAfterMs ?? 0
        clock.at += waitMs
        return waitMs
      }),
  }
}

void t.test('the waits after refusals: seconds for what is outside, up to minutes for the pod', (t) => {
  const table: readonly (readonly [PodWriteReason, readonly number[]])[] = [
    ['quota', [1_000, 2_000, 4_000, 5_000, 5_000]],
    ['limit-range', [1_000, 2_000, 4_000, 5_000, 5_000]],
    ['webhook', [1_000, 2_000, 2_000, 2_000, 2_000]],
    ['api', [1_000, 2_000, 2_000, 2_000, 2_000]],
    ['forbidden', [1_000, 2_000, 2_000, 2_000, 2_000]],
    ['denied', [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]],
    ['invalid', [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]],
  ]
  for (const [reason, expected] of table) t.same(bed().waits(reason, expected.length), expected, reason)
  t.same(bed().waits('quota', 4, true), [1_000, 2_000, 2_000, 2_000], 'an open waits')
  const asked = bed()
  const tooMany = new PodWriteError('api', '429', { answered: true, retryAfterMs: 7_000 })
  asked.failures.answered([tooMany], false)
  t.equal(asked.look().requeueAfterMs, 7_000, 'the API server’s own wish')
  t.end()
})

void t.test('what may help ends the wait and the fact; the next refusal begins again', (t) => {
  const { failures, look, refuse, waits, clock } = bed()
  waits('quota', 5)
  refuse('quota', 'exceeded quota: q, used: pods=3')
  clock.at += 10
  t.ok((look().requeueAfterMs ?? 0) > 4_000)
  t.match(failures.problem(look()), { cause: 'quota', count: 6, message: /used: pods=3/ })
  t.equal(failures.ease(['limit-range']), false, 'something else changed')
  t.equal(failures.ease(['quota']), true)
  t.match(look(), { create: 1, requeueAfterMs: undefined })
  t.equal(failures.problem(look()), undefined, 'the quota may have room: nothing stale is shown')
  t.equal(failures.boundBy(), undefined)
  refuse('quota')
  t.equal(look().requeueAfterMs, 1_000)
  t.end()
})

void t.test('after an outage one pod is tried; each one that passes lets more follow', (t) => {
  const { look, pass, refuse, clock } = bed()
  refuse('webhook')
  t.equal(look().create, 0)
  clock.at += 1_000
  t.equal(look().create, 1)
  pass()
  t.equal(look().create, 2)
  t.end()
})

void t.test('an outage costs one try of all pools in two seconds', (t) => {
  const clock = { at: start }
  const outage = createSharedOutage(() => clock.at)
  outage.failed()
  let tries = 0
  for (const until = start + 75_000; clock.at < until; clock.at += 100) {
    for (let pool = 0; pool < 20; pool += 1) {
      if (!outage.takeTurn()) continue
      tries += 1
      outage.failed()
    }
  }
  t.ok(tries >= 30 && tries <= 38, `${tries} tries of 20 pools in 75 s`)
  outage.passed()
  t.equal(outage.takeTurn() && outage.takeTurn(), true)
  t.end()
})

void t.test('the same refusal is news once, whatever pod it names', (t) => {
  const { refuse, pass } = bed()
  const sentence = (name: string, used: number) =>
    `pods "${name}" is forbidden: exceeded quota: q, requested: pods=1, used: pods=${used}, limited: pods=3`
  t.equal(refuse('quota', sentence('echo-agent-x7k2p', 3)), true)
  t.equal(refuse('quota', sentence('echo-agent-bcdfg', 4)), false)
  t.equal(refuse('quota', 'another quota'), true)
  pass()
  t.equal(refuse('quota', 'another quota'), true, 'after it was over')
  t.end()
})

void t.test('pods that die or get stuck: cause, words, count, since when; over when one is healthy', (t) => {
  const { failures, look, show, clock } = bed()
  const trouble = { cause: 'image', message: 'ErrImagePull: no such image' } as const
  const stuck = [slotView('a', 'warming', { trouble }), slotView('b', 'warming', { trouble })]
  show(...stuck)
  const plan = look()
  t.match(failures.problem(plan), {
    cause: 'image',
    message: 'ErrImagePull: no such image',
    count: 2,
    since: new Date(start).toISOString(),
    remedy: /template\.image/,
  })
  clock.at += 60_000
  look()
  t.match(failures.problem(plan), { count: 2 }, 'each pod counts once')
  show(slotView('a', 'failed', { deadReason: 'agent container ended', trouble: undefined }))
  look()
  t.match(failures.problem(plan), { cause: 'crash', count: 1, message: 'agent container ended' })
  show()
  look()
  t.match(failures.problem(plan), { cause: 'crash' }, 'the pod is gone, its words stay')
  show(slotView('c', 'ready', { readySince: clock.at + 1 }))
  clock.at += 5_001
  look()
  t.equal(failures.problem(plan), undefined)
  t.end()
})

void t.test('pods that wait without a failure are told, and nothing waits for them', (t) => {
  const { failures, look, show, clock } = bed()
  const trouble = { cause: 'unschedulable', message: 'Unschedulable: 0/1 nodes' } as const
  show(slotView('a', 'warming', { createdAt: start, trouble }))
  t.equal(failures.problem(look()), undefined, 'a scheduler needs a moment')
  clock.at += 5_000
  t.match(look(), { create: 1 }, 'an autoscaler needs pods that wait')
  t.match(failures.problem(look()), {
    cause: 'unschedulable',
    count: 1,
    since: new Date(start).toISOString(),
  })
  show(slotView('a', 'warming', { createdAt: start }))
  t.equal((look(), failures.problem(look())), undefined, 'a node came')
  clock.at += 60_000
  t.match((look(), failures.problem(look())), { cause: 'unready' })
  t.end()
})

void t.test('a changed document ends every wait; a trial is told while nothing else is', (t) => {
  const { failures, look, refuse, waits, setSpec } = bed()
  waits('invalid', 9)
  refuse('invalid')
  t.equal(look().create, 0)
  setSpec(specOf({ min: 3 }))
  t.equal(look().create, 2)
  t.equal(failures.problem(look()), undefined)
  failures.tried(new PodWriteError('limit-range', 'maximum cpu usage', { answered: true }))
  t.match(failures.problem(look()), { cause: 'limit-range', message: 'maximum cpu usage' })
  refuse('quota')
  t.match(failures.problem(look()), { cause: 'quota' })
  failures.tried(undefined)
  failures.ease(['quota'])
  t.equal(failures.problem(look()), undefined)
  t.end()
})

import fc from 'fast-check'
import t from 'tap'
import {
  type AbsenceLook,
  believedCount,
  believedShare,
  createAbsenceGuard,
  lookAgainMs,
  overruleMs,
  windowMs,
} from '../../src/domain/absence-guard.ts'

const keys = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `uid-${from + n}`)
const mostOf = (live: number) => Math.max(believedCount, Math.floor(live * believedShare))

void t.test('a few of many are believed at once', (t) => {
  for (const [live, count] of [
    [100, 5],
    [100, 10],
    [3, 3],
    [5, 5],
    [1_000, 100],
  ] as const) {
    const guard = createAbsenceGuard()
    t.same(guard.judge({ live, missing: keys(count), now: 0 }), {
      end: keys(count),
      frozen: false,
      againMs: undefined,
    })
  }
  t.end()
})

void t.test('too many: one more look, then frozen; nothing is ended', (t) => {
  const guard = createAbsenceGuard()
  const missing = keys(11)
  t.same(guard.judge({ live: 100, missing, now: 0 }), { end: [], frozen: false, againMs: lookAgainMs })
  t.same(guard.judge({ live: 100, missing, now: 500 }), {
    end: [],
    frozen: false,
    againMs: lookAgainMs - 500,
  })
  t.same(guard.judge({ live: 100, missing, now: lookAgainMs }), {
    end: [],
    frozen: true,
    againMs: windowMs,
  })
  t.same(
    guard.judge({ live: 100, missing: keys(6), now: lookAgainMs + 1 }),
    { end: keys(6), frozen: false, againMs: undefined },
    'most are back: the rest is believed',
  )
  t.end()
})

void t.test('a second look that finds them ends the doubt', (t) => {
  const guard = createAbsenceGuard()
  t.strictSame(guard.judge({ live: 100, missing: keys(50), now: 0 }).end, [])
  t.match(guard.judge({ live: 100, missing: [], now: lookAgainMs }), { frozen: false, againMs: undefined })
  t.match(
    guard.judge({ live: 100, missing: keys(50), now: lookAgainMs + 1 }),
    { frozen: false },
    'the next doubt gets its own second look',
  )
  t.end()
})

void t.test(
  'confirmed without a break for ten minutes: ended at the capped rate, until none is left',
  (t) => {
    const guard = createAbsenceGuard()
    let missing = keys(30)
    let now = 0
    for (; now < overruleMs; now += lookAgainMs)
      t.strictSame(guard.judge({ live: 100, missing, now }).end, [], `after ${now} ms`)
    const steps: number[] = []
    for (; missing.length > 0 && now < overruleMs + 60_000; now += lookAgainMs) {
      const { end } = guard.judge({ live: 70 + missing.length, missing, now })
      if (end.length > 0) steps.push(end.length)
      missing = missing.filter((key) => !end.includes(key))
    }
    t.strictSame(steps, [10, 9, 8, 3])
    t.match(guard.judge({ live: 70, missing: [], now }), { frozen: false })
    t.end()
  },
)

void t.test('one that came back in between starts anew', (t) => {
  const guard = createAbsenceGuard()
  const all = keys(20)
  for (let now = 0; now < overruleMs; now += lookAgainMs) {
    // The first is there at one look in the middle.
    const missing = now === overruleMs / 2 ? all.slice(1) : all
    guard.judge({ live: 20, missing, now })
  }
  const { end } = guard.judge({ live: 20, missing: all, now: overruleMs })
  t.strictSame(end, all.slice(1, 1 + believedCount))
  t.end()
})

/** Looks at increasing times at sessions that come and go, some of them missing. */
const looks: fc.Arbitrary<AbsenceLook[]> = fc
  .array(
    fc.record({
      stepMs: fc.oneof(fc.nat(3_000), fc.nat(overruleMs * 2)),
      present: fc.nat(300),
      missing: fc.uniqueArray(fc.nat(120), { maxLength: 120 }),
    }),
    { maxLength: 60 },
  )
  .map((steps) => {
    let now = 0
    return steps.map(({ stepMs, present, missing }) => {
      now += stepMs
      return { now, live: present + missing.length, missing: missing.map((n) => `uid-${n}`) }
    })
  })

void t.test('property: in any 10 s never more than the cap, and only what is missing', (t) => {
  fc.assert(
    fc.property(looks, (sequence) => {
      const guard = createAbsenceGuard()
      const ends: { at: number; most: number }[] = []
      for (const look of sequence) {
        const { end, frozen, againMs } = guard.judge(look)
        if (end.some((key) => !look.missing.includes(key)) || new Set(end).size !== end.length) return false
        ends.push(...end.map(() => ({ at: look.now, most: mostOf(look.live) })))
        const inWindow = ends.filter(({ at }) => look.now - at < windowMs).length
        if (end.length > 0 && inWindow > mostOf(look.live)) return false
        // What is not ended is looked at again by itself.
        if (end.length < look.missing.length && againMs === undefined) return false
        if (againMs !== undefined && (againMs <= 0 || againMs > windowMs)) return false
        if (frozen && look.missing.length === 0) return false
      }
      return true
    }),
    { numRuns: 500 },
  )
  t.end()
})

void t.test('property: what stays missing is ended within a bound, whatever its number', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 200 }), (present, count) => {
      const guard = createAbsenceGuard()
      let missing = keys(count)
      const bound = overruleMs + windowMs * (Math.ceil(count / believedCount) + 1)
      for (let now = 0; now <= bound && missing.length > 0; now += 5_000) {
        const { end } = guard.judge({ live: present + missing.length, missing, now })
        missing = missing.filter((key) => !end.includes(key))
      }
      return missing.length === 0
    }),
    { numRuns: 50 },
  )
  t.end()
})

import fc from 'fast-check'
import t from 'tap'
import { type BodyPlace, createReviewGate, type Entry } from '../../src/webhook/review-gate.ts'

const limits = { smallBytes: 50, bytes: 120, large: 2, waiting: 3, silentMs: 100 }

/** A body as the intake sees it. */
function bodyAt(gate: ReturnType<typeof createReviewGate>) {
  const seen = { entry: 'in' as Entry, givenUp: false, bytes: 0 }
  const place: BodyPlace = gate.enter({
    onIn() {
      seen.entry = 'in'
    },
    onGivenUp() {
      seen.givenUp = true
    },
  })
  return {
    seen,
    take(bytes: number): Entry {
      seen.entry = place.take(bytes)
      if (seen.entry !== 'full') seen.bytes += bytes
      return seen.entry
    },
    complete: () => place.complete(),
    leave: () => place.leave(),
  }
}
type Body = ReturnType<typeof bodyAt>

void t.test('never more inside than there is room for, and nothing stays behind', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('enter' as const) }),
    fc.record({ kind: fc.constantFrom('complete' as const, 'leave' as const), who: fc.nat(20) }),
    fc.record({
      kind: fc.constant('take' as const),
      who: fc.nat(20),
      bytes: fc.integer({ min: 1, max: 60 }),
    }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 150 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      let nowMs = 0
      const gate = createReviewGate(limits, () => nowMs)
      const bodies: Body[] = []
      const complete = new Set<Body>()
      const gone = new Set<Body>()
      const check = () => {
        const there = bodies.filter((body) => !gone.has(body) && !body.seen.givenUp)
        const waiting = there.filter(({ seen }) => seen.entry === 'waiting')
        const inside = there.filter(({ seen }) => seen.entry === 'in')
        const small = inside.filter(({ seen }) => seen.bytes <= limits.smallBytes)
        const smallBytes = small.reduce((sum, { seen }) => sum + seen.bytes, 0)
        if (inside.length !== gate.inside() || waiting.length !== gate.waiting())
          throw new Error('miscounted')
        if (smallBytes > limits.bytes) throw new Error('too many small bytes')
        if (inside.length - small.length > limits.large) throw new Error('too many large bodies')
        if (waiting.length > limits.waiting) throw new Error('too many wait')
        if (waiting.length > 0 && inside.length - small.length < limits.large)
          throw new Error('waits for nobody')
        if ([...complete].some(({ seen }) => seen.givenUp)) throw new Error('gave up a complete body')
      }
      for (const given of steps) {
        if (given.kind === 'enter') bodies.push(bodyAt(gate))
        else if (given.kind === 'pass') {
          nowMs += given.ms
          gate.look()
        } else {
          const body = bodies[given.who % Math.max(1, bodies.length)]
          if (!body || gone.has(body) || body.seen.givenUp) continue
          if (given.kind === 'leave') {
            gone.add(body)
            body.leave()
            // Twice: the second one must take nobody else's place.
            body.leave()
          } else if (body.seen.entry === 'in' && !complete.has(body)) {
            if (given.kind === 'complete') {
              complete.add(body)
              body.complete()
            } else if (given.kind === 'take' && body.take(given.bytes) === 'full') {
              gone.add(body)
              body.leave()
            }
          }
        }
        check()
      }
      for (const body of bodies) body.leave()
      if (gate.inside() !== 0 || gate.waiting() !== 0) throw new Error('something stayed behind')
      return true
    }),
    { numRuns: 1_000 },
  )
})

void t.test('a promise takes nothing: only what has arrived counts', async (t) => {
  const gate = createReviewGate(limits)
  const idle = Array.from({ length: 100 }, () => bodyAt(gate))
  for (const body of idle) body.take(1)
  const review = bodyAt(gate)
  t.equal(review.take(30), 'in', 'the longest silent ones make room')
  t.equal(idle.filter(({ seen }) => seen.givenUp).length, 10)
  t.notOk(idle.at(-1)?.seen.givenUp)
})

void t.test('large bodies wait for each other and hold up nobody who is small', async (t) => {
  let nowMs = 0
  const gate = createReviewGate(limits, () => nowMs)
  const [first, second, third, fourth] = Array.from({ length: 4 }, () => bodyAt(gate))
  if (!first || !second || !third || !fourth) throw new Error('four bodies')
  t.equal(first.take(60), 'in')
  t.equal(second.take(60), 'in')
  t.equal(third.take(60), 'waiting')
  t.equal(fourth.take(60), 'waiting')
  t.equal(bodyAt(gate).take(50), 'in', 'a small one')
  first.leave()
  t.equal(third.seen.entry, 'in')
  nowMs += 99
  second.take(1)
  nowMs += 1
  gate.look()
  t.ok(third.seen.givenUp, 'silent for 100 ms while another waits')
  t.notOk(second.seen.givenUp)
  t.equal(fourth.seen.entry, 'in')
})

void t.test('what is larger than all the room gets in alone', async (t) => {
  const gate = createReviewGate({ ...limits, smallBytes: 1_000 })
  const large = bodyAt(gate)
  t.equal(large.take(500), 'in')
  large.complete()
  const second = bodyAt(gate)
  t.equal(second.take(1), 'full', 'no complete body is given up')
  second.leave()
  large.leave()
  t.equal(bodyAt(gate).take(1), 'in')
})

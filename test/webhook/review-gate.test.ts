import fc from 'fast-check'
import t from 'tap'
import { createReviewGate, type Ticket } from '../../src/webhook/review-gate.ts'

const limits = { bytes: 100, reviews: 3, waiting: 4 }

void t.test(
  'never more inside than there is room for; everybody gets in, in the order of arrival',
  async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('enter' as const), bytes: fc.integer({ min: 0, max: 150 }) }),
      fc.record({ kind: fc.constant('leave' as const), who: fc.nat(20) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const gate = createReviewGate(limits)
        const inside = new Map<number, number>()
        const waiting = new Set<number>()
        const tickets = new Map<number, Ticket>()
        const order: number[] = []
        const check = () => {
          const bytes = [...inside.values()].reduce((sum, value) => sum + value, 0)
          if (inside.size !== gate.inside() || waiting.size !== gate.waiting()) throw new Error('miscounted')
          if (inside.size > limits.reviews || (bytes > limits.bytes && inside.size > 1))
            throw new Error('too much')
          if (inside.size === 0 && waiting.size > 0) throw new Error('waits for nobody')
        }
        steps.forEach((given, id) => {
          if (given.kind === 'enter') {
            const ticket = gate.enter(given.bytes, () => {
              if ([...waiting][0] !== id) throw new Error('out of turn')
              waiting.delete(id)
              inside.set(id, given.bytes)
              order.push(id)
            })
            if (ticket.entry === 'full' && waiting.size < limits.waiting)
              throw new Error('refused with room to wait')
            if (ticket.entry === 'in') inside.set(id, given.bytes)
            if (ticket.entry === 'waiting') waiting.add(id)
            if (ticket.entry !== 'full') tickets.set(id, ticket)
          } else {
            const who = [...tickets.keys()][given.who % Math.max(1, tickets.size)]
            if (who === undefined) return
            inside.delete(who)
            waiting.delete(who)
            // Twice: the second one must take nobody else's place.
            tickets.get(who)?.leave()
            tickets.get(who)?.leave()
            tickets.delete(who)
          }
          check()
        })
        return true
      }),
      { numRuns: 500 },
    )
  },
)

void t.test('what is larger than all the room gets in alone', async (t) => {
  const gate = createReviewGate(limits)
  const small = gate.enter(1, () => undefined)
  let in1 = false
  const large = gate.enter(1_000, () => {
    in1 = true
  })
  t.equal(large.entry, 'waiting')
  t.equal(gate.enter(1, () => undefined).entry, 'waiting', 'nobody passes it')
  small.leave()
  t.ok(in1)
  t.equal(gate.inside(), 1)
  large.leave()
  t.equal(gate.inside(), 1, 'then the next')
})

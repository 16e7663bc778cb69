import t from 'tap'
import { createPoolWaiters } from '../../src/sessions/pool-waiters.ts'
import { settledWithin } from '../support/settled-within.ts'

const never = new AbortController().signal
/** Far below the 100 ms after which a waiter looks by itself. */
const atOnceMs = 50

void t.test('the first to come is the head; leaving makes the next one so and wakes it', async (t) => {
  const waiters = createPoolWaiters()
  const [a, b, c] = [waiters.join('x'), waiters.join('x'), waiters.join('x')]
  t.same(
    [a, b, c].map((ticket) => ticket.isHead()),
    [true, false, false],
  )
  t.equal(waiters.waiting('x'), 3)
  const next = b.next(never, 60_000)
  a.leave()
  t.ok(await settledWithin(next, atOnceMs))
  t.same(
    [a, b, c].map((ticket) => ticket.isHead()),
    [false, true, false],
  )
  c.leave()
  t.equal(b.isHead(), true)
  b.leave()
  b.leave()
  t.equal(waiters.waiting('x'), 0)
})

void t.test('a wake-up reaches the head of its pool only', async (t) => {
  const waiters = createPoolWaiters()
  const [a, b, other] = [waiters.join('x'), waiters.join('x'), waiters.join('y')]
  const woken: string[] = []
  const waits = [
    a.next(never, 60_000).then(() => woken.push('a')),
    b.next(never, 60_000).then(() => woken.push('b')),
    other.next(never, 60_000).then(() => woken.push('other')),
  ]
  waiters.wake('x')
  waiters.wake('nobody waits here')
  await waits[0]
  t.same(woken, ['a'])
  await Promise.all(waits)
})

void t.test('who waits looks again by itself, at the latest at its own end', async (t) => {
  const waiters = createPoolWaiters()
  const ticket = waiters.join('x')
  t.ok(await settledWithin(ticket.next(never, 60_000), 1_000), 'a lost wake-up costs 100 ms')
  t.ok(await settledWithin(ticket.next(never, 1), atOnceMs))
  t.ok(await settledWithin(ticket.next(never, -5), atOnceMs))
})

void t.test('an abort ends the wait, also one that came before', async (t) => {
  const waiters = createPoolWaiters()
  const ticket = waiters.join('x')
  const gone = new AbortController()
  const next = ticket.next(gone.signal, 60_000)
  gone.abort()
  t.ok(await settledWithin(next, atOnceMs))
  t.ok(await settledWithin(ticket.next(gone.signal, 60_000), atOnceMs))
})

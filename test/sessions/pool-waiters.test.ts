import t from 'tap'
import { settledWithin } from '../../bed/processes/settled-within.ts'
import { until } from '../../bed/processes/until.ts'
import type { WaitingOpen } from '../../src/domain/index-ports.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createPoolWaiters } from '../../src/sessions/pool-waiters.ts'

const never = new AbortController().signal
/** Far below the 100 ms after which a waiter looks by itself. */
const atOnceMs = 50

/** The common queue is played here; the real one is in redis-slot-index.test.ts and waiting-storm.test.ts. */
function start(options: { redisIsDown?: boolean } = {}) {
  const kept: (readonly WaitingOpen[])[] = []
  const left: string[] = []
  let time = 1_000
  const metrics = createMetrics()
  const waiters = createPoolWaiters({
    index: {
      async keepWaiting(_agentType, waiting) {
        kept.push(waiting)
        if (options.redisIsDown) return undefined
        return waiting.map(({ place, headStartMs }) => place ?? (time += 1) - headStartMs)
      },
      leaveWaiting: async (_agentType, sessionId) => void left.push(sessionId),
    },
    metrics,
    clock: () => (time += 1),
  })
  const join = (agentType: string, sessionId: string, headStartMs = 0) =>
    waiters.join({
      agentType,
      sessionId,
      headStartMs,
      queuePlace: { place: undefined },
      arrival: { isCounted: false, isMissed: false },
    })
  const gauge = async () =>
    (await metrics.poolWaiting.get()).values.map(({ labels, value }) => [labels.agent_type, value])
  return { waiters, join, kept, left, gauge }
}

void t.test('the first to come is the head; leaving makes the next one so and wakes it', async (t) => {
  const { waiters, join, gauge } = start()
  const [a, b, c] = [await join('x', 'a'), await join('x', 'b'), await join('x', 'c')]
  t.same(
    [a, b, c].map((ticket) => ticket.isHead()),
    [true, false, false],
  )
  t.equal(waiters.waiting('x'), 3)
  t.same(await gauge(), [['x', 3]])
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
  t.same(await gauge(), [['x', 0]])
})

void t.test('a wake-up reaches the head of its pool only', async (t) => {
  const { waiters, join } = start()
  const [a, b, other] = [await join('x', 'a'), await join('x', 'b'), await join('y', 'c')]
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
  const { join } = start()
  const ticket = await join('x', 'a')
  t.ok(await settledWithin(ticket.next(never, 60_000), 1_000), 'a lost wake-up costs 100 ms')
  t.ok(await settledWithin(ticket.next(never, 1), atOnceMs))
  t.ok(await settledWithin(ticket.next(never, -5), atOnceMs))
})

void t.test('an abort ends the wait, also one that came before', async (t) => {
  const { join } = start()
  const ticket = await join('x', 'a')
  const gone = new AbortController()
  const next = ticket.next(gone.signal, 60_000)
  gone.abort()
  t.ok(await settledWithin(next, atOnceMs))
  t.ok(await settledWithin(ticket.next(gone.signal, 60_000), atOnceMs))
})

void t.test('a head start puts an open before those who came a little earlier, not before all', async (t) => {
  const { join } = start()
  const [a, b] = [await join('x', 'a'), await join('x', 'b', 500)]
  t.same([a.isHead(), b.isHead()], [false, true])
  const c = await join('x', 'c', 1)
  t.same([b.isHead(), c.isHead()], [true, false])
})

void t.test('all who wait are kept alive in the common queue, at the place they had', async (t) => {
  const { join, kept, left } = start()
  const [a, b] = [await join('x', 'a'), await join('x', 'b')]
  const seen = kept.length
  await until('the next beat', () => kept.length > seen)
  t.match(kept.at(-1), [
    { sessionId: 'a', place: 1_001 },
    { sessionId: 'b', place: 1_002 },
  ])
  await b.resume()
  t.match(kept.at(-1), [{ sessionId: 'b', place: 1_002 }], 'an attempt that came to nothing costs no place')
  a.leave()
  a.leave()
  t.same(left, ['a'])
  b.leave()
})

void t.test('without Redis the order of the replica holds', async (t) => {
  const { join } = start({ redisIsDown: true })
  const [a, b] = [await join('x', 'a'), await join('x', 'b')]
  t.same([a.isHead(), b.isHead()], [true, false])
  a.leave()
  t.equal(b.isHead(), true)
})

void t.test('an open that joins without having asked counts as an arrival, once', async (t) => {
  const { waiters, kept } = start()
  const queuePlace = { place: undefined }
  const arrival = { isCounted: false, isMissed: false }
  const request = { agentType: 'x', sessionId: 'a', headStartMs: 0, queuePlace, arrival }
  const ticket = await waiters.join(request)
  await ticket.resume()
  ticket.leave()
  const again = await waiters.join(request)
  again.leave()
  t.same(
    kept.flat().map(({ isArrival }) => isArrival),
    [true, false, false],
  )
})

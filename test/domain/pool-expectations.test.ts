import fc from 'fast-check'
import t from 'tap'
import {
  createPoolExpectations,
  expectationTtlMs,
  unansweredTtlMs,
} from '../../src/domain/pool-expectations.ts'

void t.test('a create counts from before the request until the informer shows the pod', async (t) => {
  const expectations = createPoolExpectations()
  const ticket = expectations.createSent(0)
  t.equal(expectations.pendingCreates(), 1, 'sent')
  expectations.settle(new Set(['other']), 1)
  t.equal(expectations.pendingCreates(), 1, 'another pod proves nothing')
  expectations.createAnswered(ticket, 'a', 2)
  t.equal(expectations.pendingCreates(), 1, 'answered, not shown')
  expectations.settle(new Set(['a']), 3)
  t.equal(expectations.pendingCreates(), 0, 'shown')
})

void t.test('a pod shown before the API answered does not stay pending', async (t) => {
  const expectations = createPoolExpectations()
  const ticket = expectations.createSent(0)
  expectations.settle(new Set(['a']), 1)
  expectations.createAnswered(ticket, 'a', 2)
  expectations.settle(new Set(['a']), 3)
  t.equal(expectations.pendingCreates(), 0)
})

void t.test('a refused create is forgotten', async (t) => {
  const expectations = createPoolExpectations()
  expectations.createFailed(expectations.createSent(0))
  t.equal(expectations.pendingCreates(), 0)
})

void t.test('a pod that came and went while its create was unanswered holds no place', async (t) => {
  const expectations = createPoolExpectations()
  const ticket = expectations.createSent(0)
  expectations.podGone('a')
  expectations.createAnswered(ticket, 'a', 1)
  t.equal(expectations.pendingCreates(), 0)
})

void t.test('a pod that went after the answer and was never shown holds no place', async (t) => {
  const expectations = createPoolExpectations()
  expectations.createAnswered(expectations.createSent(0), 'a', 1)
  expectations.podGone('a')
  t.equal(expectations.pendingCreates(), 0)
})

void t.test('a removal counts until the pod is gone, or was refused', async (t) => {
  const expectations = createPoolExpectations()
  expectations.removalSent('a', 0)
  expectations.removalSent('b', 0)
  expectations.removalSent('c', 0)
  expectations.settle(new Set(['a', 'b', 'c']), 1)
  t.strictSame(expectations.pendingRemovals(), new Set(['a', 'b', 'c']))
  expectations.removalFailed('a')
  expectations.podGone('b')
  expectations.settle(new Set(), 2)
  t.strictSame(expectations.pendingRemovals(), new Set())
})

void t.test('what nothing confirms expires', async (t) => {
  const expectations = createPoolExpectations()
  expectations.createSent(0)
  expectations.createAnswered(expectations.createSent(0), 'a', 10)
  expectations.removalSent('b', 0)
  expectations.settle(new Set(['b']), expectationTtlMs - 1)
  t.equal(expectations.pendingCreates(), 2)
  t.equal(expectations.pendingRemovals().size, 1)
  expectations.settle(new Set(['b']), expectationTtlMs)
  t.equal(expectations.pendingCreates(), 1, 'the answered one counts from its answer')
  t.equal(expectations.pendingRemovals().size, 0)
  expectations.settle(new Set(['b']), expectationTtlMs + 10)
  t.equal(expectations.pendingCreates(), 0)
})

void t.test('a create that nobody answered holds its place for a short while only', async (t) => {
  const expectations = createPoolExpectations()
  expectations.createUnanswered(expectations.createSent(0), 10)
  expectations.settle(new Set(), 10 + unansweredTtlMs - 1)
  t.equal(expectations.pendingCreates(), 1)
  expectations.settle(new Set(), 10 + unansweredTtlMs)
  t.equal(expectations.pendingCreates(), 0)
})

void t.test('a fresh list tells which creates without an answer were done', async (t) => {
  const expectations = createPoolExpectations()
  const fail = (at: number) => expectations.createUnanswered(expectations.createSent(at), at)
  fail(0)
  fail(0)
  fail(1_500)
  t.equal(expectations.hasUnanswered(1_999), false, 'the write may still be done')
  t.equal(expectations.hasUnanswered(2_000), true)
  expectations.resolveUnanswered(['a', 'b'], new Set(['a']), 2_000)
  t.equal(expectations.pendingCreates(), 2, 'b was made and is not shown yet; one is too fresh to tell')
  t.equal(expectations.hasUnanswered(2_000), false)
  expectations.settle(new Set(['a', 'b']), 2_001)
  t.equal(expectations.pendingCreates(), 1)
  expectations.resolveUnanswered(['a', 'b'], new Set(['a', 'b']), 3_500)
  t.equal(expectations.pendingCreates(), 0)
})

void t.test('an answer that comes after its create expired is still awaited in the informer', async (t) => {
  const expectations = createPoolExpectations()
  const ticket = expectations.createSent(0)
  expectations.settle(new Set(), expectationTtlMs)
  expectations.createAnswered(ticket, 'a', expectationTtlMs + 1)
  t.equal(expectations.pendingCreates(), 1)
})

void t.test('a set handed out does not change afterwards', async (t) => {
  const expectations = createPoolExpectations()
  expectations.removalSent('a', 0)
  const before = expectations.pendingRemovals()
  expectations.podGone('a')
  t.strictSame(before, new Set(['a']))
})

void t.test('property: whatever happens, nothing is pending after the last word on everything', async () => {
  const event = fc.record({
    kind: fc.constantFrom('sent', 'answered', 'failed', 'removal', 'gone', 'settle'),
    uid: fc.constantFrom('a', 'b', 'c', 'd'),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const expectations = createPoolExpectations()
      const tickets: ReturnType<typeof expectations.createSent>[] = []
      let sent = 0
      for (const [now, { kind, uid }] of events.entries()) {
        const ticket = kind === 'answered' || kind === 'failed' ? tickets.pop() : undefined
        if (kind === 'sent') tickets.push(expectations.createSent(now))
        if (kind === 'sent') sent += 1
        if (kind === 'answered' && ticket) expectations.createAnswered(ticket, uid, now)
        if (kind === 'failed' && ticket) expectations.createFailed(ticket)
        if (kind === 'removal') expectations.removalSent(uid, now)
        if (kind === 'gone') expectations.podGone(uid)
        if (kind === 'settle') expectations.settle(new Set([uid]), now)
        if (expectations.pendingCreates() > sent) return false
      }
      expectations.settle(new Set(), events.length + expectationTtlMs)
      return expectations.pendingCreates() === 0 && expectations.pendingRemovals().size === 0
    }),
  )
})

import t from 'tap'
import { createSharedLook } from '../../src/timing/shared-look.ts'

void t.test('those who ask together share one answer, and so do those shortly after', async (t) => {
  let now = 0
  let asked = 0
  const look = createSharedLook({
    ask: async () => (asked += 1),
    withinMs: 1_000,
    keptMs: 100,
    now: () => now,
  })
  t.same(await Promise.all([look(), look()]), Array(2).fill({ kind: 'seen', value: 1 }))
  now = 99
  t.same(await look(), { kind: 'seen', value: 1 })
  now = 100
  t.same(await look(), { kind: 'seen', value: 2 })
})

void t.test('a failure is since the first one in a row, and is kept as long as an answer', async (t) => {
  let now = 5
  let fails = true
  const ask = async () => {
    if (fails) throw new Error('not there.')
    return 'here'
  }
  const look = createSharedLook({ ask, withinMs: 1_000, keptMs: 10, now: () => now })
  t.same(await look(), { kind: 'failed', reason: 'not there', since: 5 })
  now = 50
  t.same(await look(), { kind: 'failed', reason: 'not there', since: 5 })
  fails = false
  now = 100
  t.same(await look(), { kind: 'seen', value: 'here' })
  fails = true
  now = 200
  t.match(await look(), { since: 200 })
})

void t.test('what hangs: nobody waits longer, nobody asks again, and a late answer counts', async (t) => {
  let now = 0
  let asked = 0
  const answer = Promise.withResolvers<string>()
  const ask = () => {
    asked += 1
    return answer.promise
  }
  const look = createSharedLook({ ask, withinMs: 5, keptMs: 10, now: () => now })
  t.match(await look(), { kind: 'failed', reason: 'no answer within 5 ms', since: 0 })
  now = 1_000
  t.match(await look(), { kind: 'failed', since: 0 })
  t.equal(asked, 1)
  answer.resolve('late')
  await new Promise((resolve) => setImmediate(resolve))
  t.same(await look(), { kind: 'seen', value: 'late' })
})

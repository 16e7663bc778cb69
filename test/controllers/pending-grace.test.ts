import t from 'tap'
import { createPendingGrace, pendingGraceMs } from '../../src/controllers/pending-grace.ts'

void t.test('counts from the first question about each pod', async (t) => {
  let time = 1_000
  const grace = createPendingGrace(() => time)
  t.equal(grace.remainingMs('a'), pendingGraceMs)
  time += pendingGraceMs - 1
  t.equal(grace.remainingMs('a'), 1)
  t.equal(grace.remainingMs('b'), pendingGraceMs, 'each its own')
  time += 1
  t.equal(grace.remainingMs('a'), 0)
  time += 60_000
  t.equal(grace.remainingMs('b'), pendingGraceMs, 'what was not asked for a long time is forgotten')
})

import t from 'tap'
import { failedStartReason, keptFailures } from '../../src/domain/kept-failures.ts'
import { podClaim, retiredClaim, slotView } from './slot-views.ts'

const failed = (uid: string, createdAt: number) => slotView(uid, 'failed', { createdAt })
const retired = (uid: string, createdAt: number) =>
  slotView(uid, 'draining', {
    createdAt,
    deletingSince: undefined,
    claim: podClaim(uid, {
      purpose: 'retired',
      sessionId: undefined,
      reason: failedStartReason(failed(uid, 0)),
    }),
  })
const rules = { keep: 2, max: 10, idle: 2 }

void t.test('the last ones stay, retired already or about to be; the oldest go first', (t) => {
  t.same([...keptFailures([retired('a', 1), failed('c', 3), retired('b', 2)], rules)], ['c', 'b'])
  t.same([...keptFailures([retired('a', 1)], { ...rules, keep: 0 })], [])
  t.end()
})

void t.test('they never take the place of a pod that is wanted', (t) => {
  const claimed = Array.from({ length: 7 }, (_, index) => slotView(`s${index}`, 'claimed'))
  t.same(
    [...keptFailures([...claimed, failed('a', 1), failed('b', 2)], rules)],
    ['b'],
    '7 + 2 idle leave one',
  )
  t.same([...keptFailures([...claimed, failed('a', 1)], { ...rules, max: 8 })], [])
  t.end()
})

void t.test('only pods that failed to start: no surplus, nobody else’s, none on its way out', (t) => {
  const surplus = slotView('s', 'draining', { deletingSince: undefined, claim: retiredClaim('s') })
  const foreign = slotView('f', 'failed', { origin: 'foreign' })
  const leaving = { ...retired('l', 9), deletingSince: 5 }
  t.same([...keptFailures([surplus, foreign, leaving], rules)], [])
  t.end()
})

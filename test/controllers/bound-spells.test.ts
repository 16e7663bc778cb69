import t from 'tap'
import { createBoundSpells } from '../../src/controllers/bound-spells.ts'
import { nextTarget } from '../../src/domain/sizing/next-target.ts'

const input = {
  now: 0,
  arrivals: 0,
  misses: 0,
  starts: [],
  failing: false,
  oldestStartSeconds: 0,
  claimed: 8,
  ready: 2,
  starting: 0,
  waiting: 0,
}
const termsOf = (fixed: number) =>
  nextTarget({ spec: { mode: 'apply', fixed }, bounds: { min: 0, max: 10 }, state: undefined, input }).terms

void t.test('a limit that binds for ten minutes is told once, and again after it was free', async (t) => {
  let time = 0
  const reports: string[] = []
  const spells = createBoundSpells({
    report: (agentType, reason, message) => reports.push(`${agentType} ${reason} ${message}`),
    now: () => time,
  })
  t.equal(spells.look('x', termsOf(1)), undefined)
  t.equal(spells.look('x', termsOf(5)), 'max')
  time = 599_999
  spells.look('x', termsOf(5))
  t.same(reports, [])
  time = 600_000
  spells.look('x', termsOf(5))
  spells.look('x', termsOf(6))
  t.equal(reports.length, 1)
  t.match(reports[0], /^x PoolTargetBound 2 idle pods: .*max leaves room for 2 beside the claimed pods/)
  spells.look('x', termsOf(1))
  spells.look('x', termsOf(5))
  time = 1_200_000
  spells.look('x', termsOf(5))
  t.equal(reports.length, 2)
})

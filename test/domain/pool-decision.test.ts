import t from 'tap'
import { replayDecisions } from '../../src/domain/pool-decision.ts'
import { recordedDecisions } from '../support/decisions.ts'

const throughJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

void t.test('decisions come out as they were made, to the last bit, also through JSON', async (t) => {
  const decisions = recordedDecisions(200)
  t.same(replayDecisions(throughJson(decisions)), { replayed: 200, skipped: 0 })
  const other = recordedDecisions(50).map((decision) => ({ ...decision, run: 'run-2' }))
  const mixed = decisions.flatMap((decision, index) => [decision, ...other.slice(index, index + 1)])
  t.same(replayDecisions(mixed), { replayed: 250, skipped: 0 }, 'of two runs at a time as well')
})

void t.test(
  'the first that comes out differently is named, whichever of its inputs was changed',
  async (t) => {
    const decisions = recordedDecisions(40, { mode: 'apply', buffer: { percent: 50 } })
    const bent = decisions.map((decision) =>
      decision.step === 30 ? { ...decision, input: { ...decision.input, claimed: 2 } } : decision,
    )
    t.match(replayDecisions(bent), {
      replayed: 31,
      difference: { decision: { step: 30, target: 30 }, found: { target: 2 } },
    })
  },
)

void t.test('a gap is passed over until the next state that was recorded', async (t) => {
  const decisions = recordedDecisions(20)
  t.same(replayDecisions(decisions.slice(3)), { replayed: 0, skipped: 17 })
  t.same(replayDecisions(decisions.filter(({ step }) => step !== 10)), { replayed: 10, skipped: 9 })
})

import t from 'tap'
import type { Static } from 'typebox'
import { Check } from 'typebox/value'
import type * as contract from '../../src/domain/assign-contract.ts'
import {
  Assignment,
  AssignmentEcho,
  assignTokenTtlSeconds,
  type ConfirmQuestion,
  EndOrder,
} from '../../src/domain/assignment.ts'

const assignment = {
  sessionId: 's',
  epoch: 1,
  podUid: 'u',
  agentType: 'echo-agent',
  room: 'room-s',
  sessionToken: 't',
  leaseMs: 60_000,
}

void t.test('an assignment without LiveKit, metadata and secrets is complete', async (t) => {
  t.ok(Check(Assignment, assignment))
  t.ok(
    Check(Assignment, { ...assignment, metadata: { any: [1] }, secrets: { KEY: 'v' }, apiUrl: 'http://a' }),
  )
})

void t.test('what a pod must be able to rely on is required', async (t) => {
  for (const key of Object.keys(assignment)) {
    const { [key as keyof typeof assignment]: _left, ...rest } = assignment
    t.notOk(Check(Assignment, rest), key)
  }
  t.notOk(Check(Assignment, { ...assignment, epoch: 0 }), 'epochs start at 1')
  t.notOk(Check(Assignment, { ...assignment, secrets: { KEY: 1 } }), 'secrets are text')
})

void t.test('echo and end order', async (t) => {
  t.ok(Check(AssignmentEcho, { podUid: 'u', sessionId: 's', epoch: 1 }))
  t.notOk(Check(AssignmentEcho, { podUid: 'u', sessionId: 's' }))
  t.ok(Check(EndOrder, { sessionId: 's', epoch: 1, reason: 'ended:caller' }))
  t.notOk(Check(EndOrder, { sessionId: 's', epoch: 0, reason: 'ended:caller' }))
})

void t.test('a delivery token outlives any open and no pod', async (t) => {
  t.equal(assignTokenTtlSeconds, 300)
})

/** The compiler refuses `true` where two types differ. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false

void t.test('the types that the SDK has instead of the schemas are those of the schemas', async (t) => {
  const same: [
    Same<contract.Assignment, Static<typeof Assignment>>,
    Same<contract.AssignmentEcho, Static<typeof AssignmentEcho>>,
    Same<contract.ConfirmQuestion, Static<typeof ConfirmQuestion>>,
    Same<contract.EndOrder, Static<typeof EndOrder>>,
  ] = [true, true, true, true]
  t.equal(same.length, 4)
})

import t from 'tap'
import { Check } from 'typebox/value'
import { Assignment, AssignmentEcho, assignTokenTtlSeconds, EndOrder } from '../../src/domain/assignment.ts'

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

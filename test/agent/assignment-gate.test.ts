import t from 'tap'
import { createAssignmentGate } from '../../src/agent/assignment-gate.ts'
import { newAssignment } from './contract-fixture.ts'

const assignment = newAssignment()

/** A handler that counts its runs and finishes when told to. */
function heldHandler() {
  const done = Promise.withResolvers<void>()
  let runs = 0
  const run = (): Promise<void> => {
    runs += 1
    return done.promise
  }
  return { run, done, runs: () => runs }
}

void t.test('one assignment, run once; the repeated request waits for the first', async (t) => {
  const handler = heldHandler()
  const gate = createAssignmentGate(handler.run)
  gate.open()
  const first = gate.accept(assignment)
  let secondAnswered = false
  const second = gate.accept({ ...assignment }).then(() => {
    secondAnswered = true
  })
  await new Promise(setImmediate)
  t.equal(gate.state(), 'assigning')
  t.notOk(secondAnswered)
  t.equal(gate.serving(), undefined, 'not before the handler is done')
  handler.done.resolve()
  await Promise.all([first, second])
  t.equal(gate.state(), 'serving')
  await gate.accept(assignment)
  t.equal(handler.runs(), 1)
  t.same(gate.serving(), assignment)
  t.ok(gate.holds(assignment.sessionId, 1))
})

void t.test('any other session or epoch is refused, for ever', async (t) => {
  const gate = createAssignmentGate(async () => {})
  gate.open()
  await gate.accept(assignment)
  await t.rejects(gate.accept({ ...assignment, sessionId: 'other' }), {
    code: 'AGENT_OTHER_SESSION',
    status: 409,
  })
  await t.rejects(
    gate.accept({ ...assignment, epoch: 2 }),
    { code: 'AGENT_OTHER_SESSION' },
    'a later epoch too',
  )
  t.notOk(gate.holds(assignment.sessionId, 2))
  gate.leave()
  await t.rejects(gate.accept({ ...assignment, sessionId: 'other' }), { code: 'AGENT_OTHER_SESSION' })
  await t.rejects(gate.accept(assignment), { code: 'AGENT_ENDING', status: 409 })
})

void t.test('nothing is taken before the start or after the leave', async (t) => {
  const handler = heldHandler()
  const gate = createAssignmentGate(handler.run)
  await t.rejects(gate.accept(assignment), { code: 'AGENT_NOT_READY', status: 503 })
  gate.leave()
  gate.open()
  t.equal(gate.state(), 'leaving', 'a pod told to go during its start does not come back')
  await t.rejects(gate.accept(assignment), { code: 'AGENT_NOT_READY' })
  t.equal(handler.runs(), 0)
})

void t.test('a handler that throws spoils the pod', async (t) => {
  const gate = createAssignmentGate(() => Promise.reject(new Error('no model')))
  gate.open()
  await t.rejects(gate.accept(assignment), { code: 'AGENT_HANDLER_FAILED', status: 500 })
  t.equal(gate.state(), 'failed')
  await t.rejects(gate.accept(assignment), { code: 'AGENT_HANDLER_FAILED' }, 'the repeat shares the outcome')
  await t.rejects(gate.accept({ ...assignment, epoch: 2 }), { code: 'AGENT_OTHER_SESSION' })
  t.equal(gate.serving(), undefined)
})

void t.test('an assignment that completes while the pod leaves is not confirmed', async (t) => {
  const handler = heldHandler()
  const gate = createAssignmentGate(handler.run)
  gate.open()
  const outcome = gate.accept(assignment)
  gate.leave()
  handler.done.resolve()
  await t.rejects(outcome, { code: 'AGENT_NOT_READY' })
  t.equal(gate.state(), 'leaving')
})

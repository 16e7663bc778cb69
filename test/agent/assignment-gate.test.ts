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

void t.test('it confirms what it has taken, also when it leaves, and nothing else', async (t) => {
  const handler = heldHandler()
  const gate = createAssignmentGate(handler.run)
  gate.open()
  const { sessionId } = assignment
  t.notOk(await gate.confirms(sessionId, 1, false), 'nothing was asked of it')
  t.equal(gate.state(), 'idle', 'a question alone changes nothing')
  const accepted = gate.accept(assignment)
  t.notOk(await gate.confirms(sessionId, 1, false), 'it is not taken yet')
  const last = gate.confirms(sessionId, 1, true)
  handler.done.resolve()
  await accepted
  t.ok(await last, 'the last question waits for what is under way')
  t.ok(await gate.confirms(sessionId, 1, false))
  t.notOk(await gate.confirms(sessionId, 2, true))
  t.notOk(await gate.confirms('other', 1, true))
  gate.leave()
  t.ok(await gate.confirms(sessionId, 1, false))
})

void t.test('sealed without an assignment it takes none any more', async (t) => {
  const gate = createAssignmentGate(async () => {})
  gate.open()
  t.notOk(await gate.confirms(assignment.sessionId, 1, true))
  await t.rejects(gate.accept(assignment), { code: 'AGENT_NOT_READY' })
})

void t.test('an assignment that failed is not confirmed', async (t) => {
  const gate = createAssignmentGate(() => Promise.reject(new Error('no model')))
  gate.open()
  await t.rejects(gate.accept(assignment))
  t.notOk(await gate.confirms(assignment.sessionId, 1, true))
})

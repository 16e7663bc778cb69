import t from 'tap'
import { createDatabaseHealth } from '../../src/roles/database-health.ts'

/** A look under way, whose answer is the test's. */
function heldNotes() {
  let note = Promise.withResolvers<void>()
  const health = createDatabaseHealth({ liveness: { note: () => note.promise } }, 'api-1')
  return {
    health,
    begin: () => {
      note = Promise.withResolvers<void>()
      return { ...note, looked: health.look() }
    },
  }
}

void t.test('readiness shows the last answer: a look under way changes nothing', async (t) => {
  const { health, begin } = heldNotes()
  t.equal(health.isThere(), true, 'it was there at the start of the role')
  const first = begin()
  t.equal(health.isThere(), true)
  first.resolve()
  await first.looked
  t.equal(health.isThere(), true)

  const failing = begin()
  t.equal(health.isThere(), true, 'not before it is known')
  failing.reject(new Error('connection refused'))
  await t.rejects(failing.looked, { message: 'connection refused' }, 'the loop counts and logs it')
  t.equal(health.isThere(), false)

  const back = begin()
  t.equal(health.isThere(), false, 'nor is it back before it has said so')
  back.resolve()
  await back.looked
  t.equal(health.isThere(), true)
})

import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { allDone } from '../../src/controllers/all-done.ts'

void t.test('waits for the rest before it throws the first error', async (t) => {
  const slow = Promise.withResolvers<void>()
  let ended = false
  const all = allDone([
    Promise.reject(new Error('first')),
    undefined,
    slow.promise,
    Promise.reject(new Error('second')),
  ])
  all
    .catch(() => undefined)
    .finally(() => {
      ended = true
    })
  await setImmediate()
  t.notOk(ended)
  slow.resolve()
  await t.rejects(all, { message: 'first' })
  await allDone([undefined, Promise.resolve(1)])
})

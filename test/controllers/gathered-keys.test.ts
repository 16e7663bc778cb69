import { mock } from 'node:test'
import t from 'tap'
import { createGatheredKeys } from '../../src/controllers/gathered-keys.ts'

t.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
t.afterEach(() => mock.timers.reset())

function newKeys() {
  const added: string[] = []
  const stop = new AbortController()
  const keys = createGatheredKeys({ add: (key) => added.push(key), gatherMs: 100, signal: stop.signal })
  return { added, stop, ...keys }
}

void t.test('what may wait is added once, when its first event has waited long enough', (t) => {
  const { added, soon } = newKeys()
  soon('a')
  mock.timers.tick(60)
  soon('a')
  soon('b')
  mock.timers.tick(39)
  t.strictSame(added, [])
  mock.timers.tick(1)
  t.strictSame(added, ['a'])
  mock.timers.tick(60)
  t.strictSame(added, ['a', 'b'])
  soon('a')
  mock.timers.tick(100)
  t.strictSame(added, ['a', 'b', 'a'])
  t.end()
})

void t.test('what may not wait is added at once, and takes with it what waited', (t) => {
  const { added, soon, now } = newKeys()
  soon('a')
  now('a')
  now('a')
  t.strictSame(added, ['a', 'a'])
  mock.timers.tick(1_000)
  t.strictSame(added, ['a', 'a'])
  t.end()
})

void t.test('after the end nothing is added', (t) => {
  const { added, stop, soon } = newKeys()
  soon('a')
  stop.abort()
  soon('b')
  mock.timers.tick(1_000)
  t.strictSame(added, [])
  t.end()
})

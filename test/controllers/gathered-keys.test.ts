import { mock } from 'node:test'
import t from 'tap'
import { createGatheredKeys } from '../../src/controllers/gathered-keys.ts'

t.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
t.afterEach(() => mock.timers.reset())

function newKeys() {
  const added: string[] = []
  const stop = new AbortController()
  const keys = createGatheredKeys({ add: (key) => added.push(key), gatherMs: 100, signal: stop.signal })
  return { added, stop, keys }
}

void t.test('what may wait is added once, when its first event has waited long enough', (t) => {
  const { added, keys } = newKeys()
  keys.soon('a')
  mock.timers.tick(60)
  keys.soon('a')
  keys.soon('b')
  mock.timers.tick(39)
  t.strictSame(added, [])
  mock.timers.tick(1)
  t.strictSame(added, ['a'])
  mock.timers.tick(60)
  t.strictSame(added, ['a', 'b'])
  keys.soon('a')
  mock.timers.tick(100)
  t.strictSame(added, ['a', 'b', 'a'])
  t.end()
})

void t.test('what may not wait is added at once, and takes with it what waited', (t) => {
  const { added, keys } = newKeys()
  keys.soon('a')
  keys.now('a')
  keys.now('a')
  t.strictSame(added, ['a', 'a'])
  mock.timers.tick(1_000)
  t.strictSame(added, ['a', 'a'])
  t.end()
})

void t.test('after the end nothing is added', (t) => {
  const { added, stop, keys } = newKeys()
  keys.soon('a')
  stop.abort()
  keys.soon('b')
  mock.timers.tick(1_000)
  t.strictSame(added, [])
  t.end()
})

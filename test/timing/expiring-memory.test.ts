import fc from 'fast-check'
import t from 'tap'
import { createExpiringMemory } from '../../src/timing/expiring-memory.ts'

void t.test('an entry is kept for its time and then forgotten', async (t) => {
  let time = 0
  const memory = createExpiringMemory<string, number>({ keptMs: 10, now: () => time })
  memory.set('a', 1)
  time = 9
  t.equal(memory.get('a'), 1)
  t.equal(memory.has('a'), true)
  t.equal(memory.size(), 1)
  time = 10
  t.equal(memory.get('a'), undefined)
  t.equal(memory.has('a'), false)
  t.equal(memory.size(), 0)
})

void t.test('set again it is kept anew, and does not hide older ones behind it', async (t) => {
  let time = 0
  const memory = createExpiringMemory<string, number>({ keptMs: 10, now: () => time })
  memory.set('a', 1)
  time = 5
  memory.set('b', 1)
  memory.set('a', 2)
  time = 14
  t.equal(memory.get('a'), 2)
  time = 15
  t.equal(memory.size(), 0, 'both were set at 5')
})

void t.test('deleted and cleared', async (t) => {
  const memory = createExpiringMemory<string>({ keptMs: 10, now: () => 0 })
  memory.set('a', true)
  memory.set('b', true)
  memory.delete('a')
  t.same([memory.has('a'), memory.has('b')], [false, true])
  memory.clear()
  t.equal(memory.size(), 0)
})

void t.test('at all times it holds what was set within its time, and no more', async () => {
  const step = fc.record({
    key: fc.integer({ min: 0, max: 4 }),
    pass: fc.integer({ min: 0, max: 6 }),
    drop: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let time = 0
      const memory = createExpiringMemory<number, number>({ keptMs: 10, now: () => time })
      const model = new Map<number, number>()
      for (const { key, pass, drop } of steps) {
        time += pass
        if (drop) {
          memory.delete(key)
          model.delete(key)
        } else {
          memory.set(key, time)
          model.set(key, time)
        }
        const live = [...model].filter(([, at]) => time - at < 10)
        const agree = [0, 1, 2, 3, 4].every((k) => memory.get(k) === new Map(live).get(k))
        if (!agree || memory.size() !== live.length) return false
      }
      return true
    }),
  )
})

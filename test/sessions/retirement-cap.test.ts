import t from 'tap'
import { createRetirementCap } from '../../src/sessions/retirement-cap.ts'

void t.test('two, or 5 % of the pool, in ten seconds', async (t) => {
  for (const [poolSize, allowed] of [
    [0, 2],
    [20, 2],
    [59, 2],
    [60, 3],
    [1_000, 50],
  ] as const) {
    let time = 0
    const cap = createRetirementCap(() => time)
    for (let n = 0; n < allowed; n += 1) {
      t.equal(cap.reached('x', poolSize), false, `${n} of ${allowed} in a pool of ${poolSize}`)
      cap.note('x')
    }
    t.equal(cap.reached('x', poolSize), true)
    t.equal(cap.reached('other', poolSize), false)
    time = 9_999
    t.equal(cap.reached('x', poolSize), true)
    time = 10_000
    t.equal(cap.reached('x', poolSize), false)
  }
})

void t.test('the window slides', async (t) => {
  let time = 0
  const cap = createRetirementCap(() => time)
  cap.note('x')
  time = 6_000
  cap.note('x')
  time = 10_500
  t.equal(cap.reached('x', 10), false, 'the first one is forgotten')
  cap.note('x')
  t.equal(cap.reached('x', 10), true)
})

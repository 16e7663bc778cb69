import t from 'tap'
import { createPoolResync } from '../../src/controllers/pool-resync.ts'

const named = (count: number) => Array.from({ length: count }, (_, n) => `pool-${n}`)

function newResync(count: number) {
  const state = { pools: named(count), isHeard: true }
  const resync = createPoolResync({ poolsToWatch: () => state.pools, isHeard: () => state.isHeard })
  return { state, due: () => resync.due() }
}

void t.test('few pools are all looked at each time', (t) => {
  const { due } = newResync(40)
  for (let look = 0; look < 3; look += 1) t.strictSame(due(), named(40))
  t.end()
})

void t.test('of many pools the first look takes all, and then five looks take each once', (t) => {
  for (const count of [41, 200, 1_000]) {
    const { due } = newResync(count)
    t.strictSame(due(), named(count))
    for (let round = 0; round < 2; round += 1) {
      const looks = Math.min(5, Math.ceil(count / 40))
      const taken = Array.from({ length: looks }, due)
      t.ok(Math.max(...taken.map(({ length }) => length)) <= Math.ceil(count / looks), `${count}, evenly`)
      t.strictSame(taken.flat(), named(count), `${count}, all of them`)
    }
  }
  t.end()
})

void t.test('pools that come and go meanwhile are in the next round', (t) => {
  const { state, due } = newResync(100)
  due()
  due()
  state.pools = [...named(100), 'new']
  const rest = [due(), due()].flat()
  t.notOk(rest.includes('new'))
  const next = Array.from({ length: 3 }, due).flat()
  t.strictSame(next, state.pools)
  t.end()
})

void t.test('while no wake-up can arrive each look takes all', (t) => {
  const { state, due } = newResync(200)
  due()
  state.isHeard = false
  t.equal(due().length, 200)
  t.equal(due().length, 200)
  state.isHeard = true
  t.equal(due().length, 40)
  t.end()
})

void t.test('no pools, nothing due', (t) => {
  const { due } = newResync(0)
  t.strictSame([due(), due()], [[], []])
  t.end()
})

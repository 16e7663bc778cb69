import t from 'tap'
import { keptSizing, readKeptSizing } from '../../src/controllers/kept-sizing.ts'
import { emptySizingState } from '../../src/domain/sizing/sizing-state.ts'

const state = emptySizingState(1_000)
const demand = { since: 1, arrivals: 2, misses: 0 }

void t.test('what was kept is read again as it was, through JSON', async (t) => {
  for (const counts of [demand, undefined]) {
    const kept = keptSizing(state, counts)
    t.same(readKeptSizing(JSON.parse(JSON.stringify(kept))), { kept, problem: undefined })
  }
})

void t.test('nothing kept is no problem; what cannot be used is told', async (t) => {
  t.same(readKeptSizing(undefined), { kept: undefined, problem: undefined })
  const table: [unknown, RegExp][] = [
    ['text', /no object/],
    [[], /no object/],
    [{}, /damaged or of another version/],
    [{ state: { ...state, version: 0 }, demand }, /damaged or of another version/],
    [{ state: { ...state, target: null } }, /damaged or of another version/],
    [{ state, demand: { since: 1 } }, /counts/],
  ]
  for (const [found, problem] of table) {
    const reading = readKeptSizing(found)
    t.equal(reading.kept, undefined)
    t.match(reading.problem, problem)
  }
})

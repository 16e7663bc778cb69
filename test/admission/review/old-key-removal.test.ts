import fc from 'fast-check'
import t from 'tap'
import { isOldKeyRemoval } from '../../../src/admission/review/old-key-removal.ts'

const key = (kid: string, more: object = {}) => ({
  kid,
  kty: 'OKP',
  crv: 'Ed25519',
  x: kid.padEnd(43, 'A'),
  ...more,
})
const set = (keys: readonly object[], more: object = {}) => JSON.stringify({ keys, ...more })
const [a, b, c] = [key('a'), key('b'), key('c')]
const before = set([a, b, c])

void t.test('any old keys may be left out', (t) => {
  for (const after of [[a, b, c], [a, b], [a, c], [a]]) t.ok(isOldKeyRemoval(before, set(after)))
  t.ok(isOldKeyRemoval(before, JSON.stringify({ keys: [a] }, null, 2)), 'spaces count for nothing')
  t.end()
})

void t.test('nothing else is a removal', (t) => {
  const bad: Readonly<Record<string, string | undefined>> = {
    'the newest is left out': set([b, c]),
    'all are left out': set([]),
    'a new key first': set([key('evil'), a, b, c]),
    'a new key last': set([a, key('evil')]),
    'another order': set([a, c, b]),
    'a key twice': set([a, b, b]),
    'another key under an old id': set([a, key('b', { x: 'E'.repeat(43) })]),
    'another newest under its id': set([key('a', { x: 'E'.repeat(43) }), b]),
    'one more member of a key': set([key('a', { use: 'sig' })]),
    'one more member of the set': set([a], { more: 1 }),
    'a member twice': `{"keys":[${JSON.stringify(a)}],"keys":[${JSON.stringify(key('evil'))}]}`,
    'no JSON': 'x',
    nothing: undefined,
  }
  for (const [what, after] of Object.entries(bad)) t.notOk(isOldKeyRemoval(before, after), what)
  t.notOk(isOldKeyRemoval(undefined, before), 'the first set')
  t.notOk(isOldKeyRemoval('x', set([a])), 'a repair')
  t.end()
})

void t.test('exactly the subsequences with the newest are removals', async () => {
  const all = ['k1', 'k2', 'k3', 'k4'].map((kid) => key(kid))
  const lists = fc.array(fc.constantFrom(...all, key('evil')), { maxLength: 5 })
  fc.assert(
    fc.property(fc.oneof(lists, fc.subarray(all)), (after) => {
      const kept = all.filter((one) => after.includes(one))
      const expected =
        after[0] === all[0] && after.length === kept.length && kept.every((one, at) => one === after[at])
      return isOldKeyRemoval(set(all), set(after)) === expected
    }),
  )
})

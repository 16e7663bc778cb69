import t from 'tap'
import { sameValue } from '../../../src/admission/pod/same-value.ts'

void t.test('values are compared in depth, keys in any order', async (t) => {
  const same: readonly (readonly [unknown, unknown])[] = [
    [
      { a: 1, b: [{ c: 2 }] },
      { b: [{ c: 2 }], a: 1 },
    ],
    [{ a: undefined }, {}],
    [null, null],
  ]
  const different: readonly (readonly [unknown, unknown])[] = [
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, { a: 1, b: 1 }],
    [{ a: 1, b: 1 }, { a: 1 }],
    [[1], [1, 2]],
    [[], {}],
    [null, {}],
    [undefined, {}],
    ['1', 1],
    [{}, { constructor: 'x' }],
    [{ constructor: 'x' }, {}],
    [{ a: 1 }, JSON.parse('{"a": 1, "__proto__": {}}')],
  ]
  for (const [a, b] of same) t.ok(sameValue(a, b), JSON.stringify([a, b]))
  for (const [a, b] of different) t.notOk(sameValue(a, b), JSON.stringify([a, b]))
})

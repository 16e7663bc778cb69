import fc from 'fast-check'
import t from 'tap'
import { canonicalJson } from '../../src/domain/canonical-json.ts'

void t.test('the text that earlier versions made, byte for byte', async (t) => {
  const texts: [unknown, string][] = [
    [{}, '{}'],
    [{ b: [1, { d: 3, c: 2 }], a: 1 }, '{"a":1,"b":[1,{"c":2,"d":3}]}'],
    [
      {
        metadata: {
          10: 'ten',
          9: 'nine',
          b: 'x',
          a: null,
          '-1': 0,
          '01': 1,
          nested: { 2: [{ z: 1, 1: 2 }], é: 'ü', '': true },
        },
        agentType: 'echo-agent',
      },
      '{"agentType":"echo-agent","metadata":{"9":"nine","10":"ten","-1":0,"01":1,"a":null,"b":"x",' +
        '"nested":{"2":[{"1":2,"z":1}],"":true,"é":"ü"}}}',
    ],
    [
      JSON.parse('{"metadata":{"y":[null,-0,1e21,0.1],"__proto__":1}}'),
      '{"metadata":{"__proto__":1,"y":[null,0,1e+21,0.1]}}',
    ],
    [{ x: undefined, y: [undefined] }, '{"y":[null]}'],
  ]
  for (const [value, text] of texts) t.equal(canonicalJson(value), text)
})

void t.test('equal JSON gives equal text, other JSON another', async () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const turned = Object.fromEntries(Object.entries(value).reverse())
      return canonicalJson(turned) === canonicalJson(value)
    }),
  )
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const read: unknown = JSON.parse(canonicalJson(value))
      return canonicalJson(read) === canonicalJson(value) && JSON.stringify(read).length > 0
    }),
  )
})

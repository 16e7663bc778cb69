import fc from 'fast-check'
import t from 'tap'
import { unstorableReason } from '../../src/http/storable-json.ts'

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])

void t.test('what PostgreSQL refuses, wherever it stands', async (t) => {
  for (const value of ['a\0', { 'a\0': 1 }, [['a\0']], { x: { y: ['\0'] } }])
    t.match(unstorableReason(value), /NUL/, JSON.stringify(value))
  for (const value of ['\ud800', { '\udc00': 1 }, ['x\ud83d']]) t.match(unstorableReason(value), /surrogate/)
  t.match(unstorableReason(nested(33)), /nested deeper than 32/)
  for (const value of [undefined, null, 1, '', '😀', nested(32), { a: [true, null, { b: 'ü' }] }])
    t.equal(unstorableReason(value), undefined)
})

void t.test('agrees with the text that would be sent', async () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }), (value) => {
      const text = JSON.stringify(value)
      const bad =
        /\\u0000/.test(text.replaceAll('\\\\', '')) || /\\ud[89a-f]/.test(text.replaceAll('\\\\', ''))
      return (unstorableReason(value) !== undefined) === bad
    }),
  )
})

import fc from 'fast-check'
import t from 'tap'
import { shareOut } from '../../src/domain/share-out.ts'

void t.test('parts are whole, in proportion, and add up', (t) => {
  t.same(shareOut(10, [1, 1, 1]), [4, 3, 3], 'equal remainders go to the first')
  t.same(shareOut(10, [0, 1]), [0, 10])
  t.same(shareOut(7, [0, 0]), [0, 0], 'nobody to share with')
  t.same(shareOut(7, []), [])
  t.same(shareOut(0, [3, 4]), [0, 0])
  t.same(shareOut(100, [1, 2, 3]), [17, 33, 50])
  t.end()
})

void t.test(
  'each part is within one of its exact share, and the sum is the total, also beyond 2^53 in between',
  (t) => {
    const large = fc.integer({ min: 0, max: 2 ** 47 })
    fc.assert(
      fc.property(large, fc.array(large, { minLength: 1, maxLength: 60 }), (total, weights) => {
        const parts = shareOut(total, weights)
        const all = weights.reduce((sum, weight) => sum + BigInt(weight), 0n)
        const sum = parts.reduce((sofar, part) => sofar + BigInt(part), 0n)
        if (all === 0n) return sum === 0n
        return (
          sum === BigInt(total) &&
          parts.every((part, at) => {
            const exact = BigInt(total) * BigInt(weights[at] ?? 0)
            return BigInt(part) * all > exact - all && BigInt(part) * all < exact + all
          })
        )
      }),
    )
    t.end()
  },
)

import fc from 'fast-check'
import t from 'tap'
import { countQuantile } from '../../../src/domain/sizing/negative-binomial.ts'

void t.test('Poisson: the sizes of the tables, quantile plus one', (t) => {
  const means = [0.1, 0.5, 1, 2, 5, 10, 20, 50, 100]
  const sizes = {
    0.99: [2, 4, 5, 7, 12, 19, 32, 68, 125],
    0.999: [3, 5, 6, 9, 14, 22, 36, 74, 133],
    0.9999: [4, 6, 7, 10, 16, 25, 40, 79, 140],
  }
  for (const [level, expected] of Object.entries(sizes))
    t.same(
      means.map((mean) => countQuantile(Number(level), mean, 0) + 1),
      expected,
      level,
    )
  t.end()
})

/** P(N <= k) of NB(r, p) as a sum of logarithms, which neither overflows nor loses digits. */
function cumulative(count: number, mean: number, squaredCv: number): number {
  let log = squaredCv === 0 ? -mean : -Math.log1p(mean * squaredCv) / squaredCv
  let sum = Math.exp(log)
  for (let k = 0; k < count; k += 1) {
    log += Math.log((mean * (1 + k * squaredCv)) / ((k + 1) * (1 + mean * squaredCv)))
    sum += Math.exp(log)
  }
  return sum
}

const level = fc.double({ min: 0.5, max: 0.9999, noNaN: true })
const squaredCv = fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 20, noNaN: true }))

void t.test('it is the smallest count that reaches the level', (t) => {
  const mean = fc.double({ min: 0.001, max: 200, noNaN: true })
  fc.assert(
    fc.property(level, mean, squaredCv, (level, mean, squaredCv) => {
      const count = countQuantile(level, mean, squaredCv)
      // A level that is hit to the last digit may fall on either side.
      if (cumulative(count, mean, squaredCv) < level - 1e-9) return false
      return count === 0 || cumulative(count - 1, mean, squaredCv) < level + 1e-9
    }),
  )
  t.end()
})

void t.test('from 0.001 to 100,000 under way it is finite and grows with each of its arguments', (t) => {
  const exponent = fc.double({ min: -3, max: 5, noNaN: true })
  fc.assert(
    fc.property(level, exponent, squaredCv, (level, exponent, squaredCv) => {
      const mean = 10 ** exponent
      const count = countQuantile(level, mean, squaredCv)
      const higher = countQuantile(Math.min(0.9999, level + 0.01), mean, squaredCv)
      const busier = countQuantile(level, mean * 1.1, squaredCv)
      return Number.isInteger(count) && count >= 0 && higher >= count && busier >= count * 0.999 - 1
    }),
    { numRuns: 200 },
  )
  t.equal(countQuantile(0.999, 0, 0), 0)
  t.equal(countQuantile(0.999, Number.NaN, 0), 0)
  const large = countQuantile(0.999, 100_000, 0)
  t.ok(Math.abs(large - (100_000 + 3.09 * Math.sqrt(100_000))) < 10, String(large))
  t.end()
})

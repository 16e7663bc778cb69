import fc from 'fast-check'
import t from 'tap'
import { allowanceAt, type CreateAllowance, nextAllowedMs, spent } from '../../src/domain/create-allowance.ts'

void t.test('one second’s worth at once, then the rate', (t) => {
  let allowance = allowanceAt(undefined, { perSecond: 2, now: 0 })
  t.equal(allowance.pods, 2)
  allowance = spent(allowance, 2)
  t.equal(nextAllowedMs(allowance, 2), 500)
  allowance = allowanceAt(allowance, { perSecond: 2, now: 500 })
  t.equal(allowance.pods, 1)
  t.equal(allowanceAt(allowance, { perSecond: 2, now: 1e9 }).pods, 2, 'a quiet hour saves nothing up')
  t.equal(allowanceAt(spent(allowance, 1), { perSecond: 2, now: -1e9 }).pods, 0, 'a clock that jumps back')
  t.equal(allowanceAt(undefined, { perSecond: 0.1, now: 0 }).pods, 1, 'a slow pool makes one pod at once')
  t.end()
})

void t.test(
  'property: never more in any span than its rate and one burst; who waits as told may make one',
  async () => {
    const anyRate = fc.double({ min: 0.01, max: 1_000, noNaN: true })
    fc.assert(
      fc.property(anyRate, fc.array(fc.nat({ max: 5_000 }), { maxLength: 50 }), (perSecond, pauses) => {
        let allowance: CreateAllowance | undefined
        let [now, made] = [0, 0]
        for (const pause of pauses) {
          now += pause
          allowance = allowanceAt(allowance, { perSecond, now })
          const creates = Math.floor(allowance.pods)
          made += creates
          allowance = spent(allowance, creates)
          const later = now + nextAllowedMs(allowance, perSecond)
          if (Math.floor(allowanceAt(allowance, { perSecond, now: later + 1 }).pods) < 1) return false
        }
        return made <= Math.max(1, perSecond) + (now / 1_000) * perSecond + 1e-6
      }),
    )
  },
)

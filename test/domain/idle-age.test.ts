import t from 'tap'
import { isTooOld } from '../../src/domain/idle-age.ts'

const maxIdleAgeMs = 1_000_000
const oldAt = (uid: string): number => {
  let age = 0
  while (!isTooOld({ uid, readySince: 0 }, { maxIdleAgeMs, now: age })) age += 1_000
  return age
}

void t.test('pods made together go one after another, all in the last quarter', (t) => {
  const ages = Array.from({ length: 200 }, (_, index) => oldAt(`5f0c1f6e-0000-4000-8000-${index}`))
  t.ok(Math.min(...ages) >= 750_000 && Math.max(...ages) <= 1_000_000)
  const tenths = Map.groupBy(ages, (age) => Math.min(9, Math.floor((age - 750_000) / 25_000)))
  t.equal(tenths.size, 10, 'spread over the whole of it')
  t.ok(Math.max(...[...tenths.values()].map(({ length }) => length)) <= 50)
  t.equal(oldAt('a'), oldAt('a'), 'the same in every process')
  t.end()
})

void t.test('a pod that is not Ready has no idle age', (t) => {
  t.equal(isTooOld({ uid: 'a', readySince: undefined }, { maxIdleAgeMs, now: 1e12 }), false)
  t.end()
})

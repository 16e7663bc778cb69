import fc from 'fast-check'
import t from 'tap'
import { planFaults } from './fault-plan.ts'

/** A run that cannot be repeated proves little; one without kills proves less. */

void t.test('a seed names one plan, in order of time and within it', async (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.integer({ min: 1, max: 200 }),
      (seed, seconds) => {
        const plan = planFaults(seed, seconds)
        if (JSON.stringify(plan) !== JSON.stringify(planFaults(seed, seconds)))
          throw new Error('not repeatable')
        const times = plan.map(({ atMs }) => atMs)
        if (times.some((at, n) => at < (times[n - 1] ?? 0) || at >= (seconds + 1) * 1_000))
          throw new Error('out of order')
      },
    ),
  )
  t.not(JSON.stringify(planFaults(1, 60)), JSON.stringify(planFaults(2, 60)))
})

void t.test('120 s have at least 50 kills and every kind of fault, whatever the seed', async (t) => {
  for (let seed = 0; seed < 100; seed += 1) {
    const faults = planFaults(seed, 120).map(({ fault }) => fault)
    const kills = faults.filter(({ kind }) => kind === 'kill').length
    if (kills < 50) t.fail(`seed ${seed}: ${kills} kills`)
    const kinds = new Set(faults.map(({ kind }) => kind))
    if (kinds.size < 5) t.fail(`seed ${seed}: only ${[...kinds].join(', ')}`)
  }
  t.pass('100 seeds')
})

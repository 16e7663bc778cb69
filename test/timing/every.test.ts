import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createMetrics } from '../../src/metrics.ts'
import { every } from '../../src/timing/every.ts'
import { keptLog } from '../support/kept-log.ts'

function bed(everyMs: number) {
  const { logger, lines } = keptLog()
  const stop = new AbortController()
  const metrics = createMetrics()
  return {
    stop,
    lines,
    metrics,
    options: { name: 'test-loop', everyMs, signal: stop.signal, logger, metrics },
  }
}

void t.test('runs at once and again, never beside itself', async (t) => {
  const { stop, options } = bed(1)
  let runs = 0
  let beside = 0
  let most = 0
  const loop = every(options, async () => {
    beside += 1
    most = Math.max(most, beside)
    await setImmediate()
    beside -= 1
    runs += 1
  })
  t.equal(most, 1, 'at once')
  await until('several runs', () => runs >= 5)
  stop.abort()
  await loop
  const after = runs
  await setImmediate()
  t.equal(most, 1)
  t.equal(runs, after)
})

void t.test('errors are counted and logged, and it goes on', async (t) => {
  const { stop, options, lines, metrics } = bed(1)
  let runs = 0
  const loop = every(options, async () => {
    runs += 1
    if (runs < 3) throw new Error('no luck')
  })
  await until('it went on', () => runs >= 3)
  stop.abort()
  await loop
  t.match(await metrics.registry.metrics(), /greenroom_loop_errors_total\{loop="test-loop"\} 2/)
  t.equal(lines.filter((line) => line.includes('no luck')).length, 2)
})

void t.test('the signal ends the pause, waits for the run, and leaves no listener', async (t) => {
  const { stop, options } = bed(3_600_000)
  let runs = 0
  const loop = every(options, async () => void (runs += 1))
  await until('first run', () => runs === 1)
  stop.abort()
  await loop
  t.equal(runs, 1)

  const second = bed(1)
  const work = Promise.withResolvers<void>()
  let ended = false
  const slow = every(second.options, () => work.promise).then(() => {
    ended = true
  })
  second.stop.abort()
  await setImmediate()
  t.notOk(ended, 'the last run has not ended')
  work.resolve()
  await slow

  const third = bed(1)
  third.stop.abort()
  await every(third.options, async () => void t.fail('nothing starts any more'))
})

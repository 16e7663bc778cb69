import t from 'tap'
import { createLatencyRecorder } from './latency-recorder.ts'
import { runClosedLoop, runOpenLoop } from './load-loop.ts'

/** A clock that is only ever moved by those who wait for it, earliest first. */
function handClock() {
  let time = 0
  const waiting: { readonly at: number; readonly wake: () => void }[] = []
  const until = (at: number) => new Promise<void>((wake) => waiting.push({ at, wake }))
  return {
    now: () => time,
    until,
    sleep: (ms: number) => until(time + ms),
    /** Runs until nobody waits any more. */
    async run<T>(work: Promise<T>): Promise<T> {
      let done = false
      void work.finally(() => {
        done = true
      })
      while (!done) {
        await new Promise(setImmediate)
        waiting.sort((a, b) => a.at - b.at)
        const next = waiting.shift()
        if (!next) continue
        time = Math.max(time, next.at)
        next.wake()
      }
      return work
    },
  }
}

void t.test(
  'a closed loop keeps so many requests under way, and measures those after the warm-up',
  async (t) => {
    const clock = handClock()
    let underWay = 0
    let most = 0
    const sent: number[] = []
    const work = runClosedLoop({ concurrency: 3, count: 12, warmUp: 3, clock }, async (index) => {
      sent.push(index)
      most = Math.max(most, (underWay += 1))
      await clock.sleep(index < 3 ? 1_000 : 10)
      underWay -= 1
      return index !== 5
    })
    const { latenciesUs, errors, durationMs } = await clock.run(work)
    t.equal(most, 3)
    t.same(sent, [...sent.keys()], 'each once, in order')
    t.same(
      latenciesUs,
      Array.from({ length: 8 }, () => 10_000),
      'neither the warm-up nor the wrong answer',
    )
    t.equal(errors, 1)
    t.equal(durationMs, 30, 'from the first measured request to the last answer')
  },
)

void t.test('a caller of a closed loop pauses after each answer; its time does not count', async (t) => {
  const clock = handClock()
  const at: number[] = []
  const loop = { concurrency: 1, count: 3, warmUp: 0, pauseMs: 100, clock }
  const work = runClosedLoop(loop, async () => {
    at.push(clock.now())
    await clock.sleep(10)
    return true
  })
  const { latenciesUs } = await clock.run(work)
  t.same(at, [0, 110, 220])
  t.same(latenciesUs, [10_000, 10_000, 10_000])
})

void t.test('an open loop sends when a request is due, whatever the answers do', async (t) => {
  const clock = handClock()
  const sentAt: number[] = []
  const work = runOpenLoop({ perSecond: 100, count: 5, warmUp: 0, clock }, async () => {
    sentAt.push(clock.now())
    await clock.sleep(1_000)
    return true
  })
  const { latenciesUs } = await clock.run(work)
  t.same(sentAt, [0, 10, 20, 30, 40])
  t.same(
    latenciesUs,
    Array.from({ length: 5 }, () => 1_000_000),
  )
})

void t.test('what a late timer kept back has waited all the same', async (t) => {
  const clock = handClock()
  // Every sleep of the loop lasts until 100: a process that stalled.
  const stalled = { now: clock.now, until: () => clock.until(100) }
  const work = runOpenLoop({ perSecond: 100, count: 4, warmUp: 1, clock: stalled }, async () => true)
  const { latenciesUs, durationMs } = await clock.run(work)
  t.same(
    latenciesUs,
    [90_000, 80_000, 70_000],
    'counted from when they were due, not from when they were sent',
  )
  t.equal(durationMs, 90, 'from the time the first measured one was due')
})

void t.test('percentiles come from all rounds together, wrong answers left out', (t) => {
  const recorder = createLatencyRecorder()
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => (index + 1) * 1_000)
  recorder.take({ latenciesUs: upTo(50), errors: 1, durationMs: 500 })
  recorder.take({ latenciesUs: upTo(100).slice(50), errors: 2, durationMs: 500 })
  const row = recorder.row('case', 8)
  t.match(row, { case: 'case', concurrency: 8, count: 100, errors: 3, perSecond: 100 })
  for (const [given, wanted] of [
    [row.p50Ms, 50],
    [row.p90Ms, 90],
    [row.p99Ms, 99],
    [row.maxMs, 100],
  ] as const)
    t.ok(Math.abs(given - wanted) <= wanted * 0.001, `${given} is ${wanted} to three digits`)
  t.end()
})

void t.test('an empty recorder and times out of range', (t) => {
  const zeros = { perSecond: 0, p50Ms: 0, p99Ms: 0, maxMs: 0, errors: 0, count: 0 }
  t.match(createLatencyRecorder().row('none', 1), zeros)
  const recorder = createLatencyRecorder()
  recorder.take({ latenciesUs: [0.2, 9e12], errors: 0, durationMs: 1 })
  t.equal(recorder.row('odd', 1).p50Ms, 0.001, 'below a microsecond counts as one')
  t.ok(recorder.row('odd', 1).maxMs >= 3_600_000, 'beyond an hour counts as one')
  t.end()
})

import { getEventListeners } from 'node:events'
import t from 'tap'
import { createBackoff } from '../../src/timing/backoff.ts'
import { pause, startPause } from '../../src/timing/pause.ts'

/** Beyond the life of this test: whatever resolves such a pause was not its time. */
const hourMs = 3_600_000
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

void t.test('lasts as long as was asked, also without a signal', async (t) => {
  const begun = performance.now()
  await pause(20)
  await pause(20, new AbortController().signal)
  // Timers count whole milliseconds and may fire up to one early.
  t.ok(performance.now() - begun >= 38)
  await pause(-1)
  t.pass('a time that is over already is no pause')
})

void t.test('the signal ends it, before it began and while it lasts, and nothing stays behind', async (t) => {
  const before = timers()
  const stop = new AbortController()
  const waiting = pause(hourMs, stop.signal)
  t.equal(getEventListeners(stop.signal, 'abort').length, 1)
  stop.abort()
  await waiting
  await pause(hourMs, stop.signal)
  t.equal(getEventListeners(stop.signal, 'abort').length, 0, 'no listener')
  t.equal(timers(), before, 'no timer')
})

void t.test('a pause that is over leaves no listener on a signal that lives on', async (t) => {
  const { signal } = new AbortController()
  for (let n = 0; n < 3; n += 1) await pause(1, signal)
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

void t.test('whoever began it may end it, as often as he likes', async (t) => {
  const { signal } = new AbortController()
  const { over, end } = startPause(hourMs, signal)
  end()
  await over
  end()
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

void t.test(
  'a back-off doubles up to its longest pause, half of it by chance, and starts again',
  async (t) => {
    const backoff = createBackoff({ minMs: 8, maxMs: 16 })
    const { signal } = new AbortController()
    const pauseOnce = async () => {
      const begun = performance.now()
      await backoff.pause(signal)
      return performance.now() - begun
    }
    t.ok((await pauseOnce()) >= 3)
    t.ok((await pauseOnce()) >= 7)
    t.ok((await pauseOnce()) >= 7, 'never more than the longest')
    backoff.reset()
    t.ok((await pauseOnce()) >= 3)
    const aborted = AbortSignal.abort()
    const long = createBackoff({ minMs: hourMs, maxMs: hourMs })
    await long.pause(aborted)
  },
)

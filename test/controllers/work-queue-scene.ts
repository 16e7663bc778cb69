import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { createWorkQueue, type QueueClock, type WorkQueueOptions } from '../../src/controllers/work-queue.ts'

/** Time that moves only when told to. */
export function createFakeClock() {
  let now = 0
  let timers: { at: number; call: () => void }[] = []
  const clock: QueueClock = {
    now: () => now,
    after(ms, call) {
      const timer = { at: now + ms, call }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
  }
  async function advance(ms: number): Promise<void> {
    const until = now + ms
    for (;;) {
      const next = timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (!next) break
      now = next.at
      timers = timers.filter((timer) => timer !== next)
      next.call()
      await turn()
    }
    now = until
    await turn()
  }
  return { clock, advance, pending: () => timers.length }
}

/** A queue whose runs end when the test says so. */
export function createScene(overrides: Partial<WorkQueueOptions> = {}) {
  const { clock, advance, pending } = createFakeClock()
  const started: string[] = []
  const ends: { key: string; succeed: () => void; fail: (error: Error) => void }[] = []
  const errors: { details: Record<string, unknown>; message: string }[] = []
  const queue = createWorkQueue({
    workers: 2,
    clock,
    log: { error: (details, message) => errors.push({ details: { ...details }, message }) },
    run: (key) => {
      started.push(key)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      ends.push({ key, succeed: resolve, fail: reject })
      return promise
    },
    ...overrides,
  })
  async function end(key: string, error?: Error): Promise<void> {
    const at = ends.findIndex((run) => run.key === key)
    const [run] = ends.splice(at, 1)
    assert.ok(run, `${key} is not running`)
    if (error) run.fail(error)
    else run.succeed()
    await turn()
  }
  return { queue, advance, pending, started, errors, end }
}

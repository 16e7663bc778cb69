import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { createWorkQueue } from '../../src/controllers/work-queue.ts'
import { createScene } from './work-queue-scene.ts'

void t.test('a key that waits is there once', async (t) => {
  const { queue, started, end } = createScene({ workers: 1 })
  for (const key of ['a', 'b', 'b', 'b']) queue.add(key)
  t.equal(queue.depth(), 1)
  await turn()
  await end('a')
  await end('b')
  t.strictSame(started, ['a', 'b'])
})

void t.test('a key added while it runs, runs again afterwards, once, never beside itself', async (t) => {
  const { queue, started, end } = createScene()
  queue.add('a')
  await turn()
  queue.add('a')
  queue.add('a')
  await turn()
  t.strictSame(started, ['a'])
  await end('a')
  t.strictSame(started, ['a', 'a'])
  await end('a')
  t.strictSame(started, ['a', 'a'])
})

void t.test('a run that adds its own key before its first await runs again, not twice at once', async (t) => {
  let active = 0
  let most = 0
  let runs = 0
  const { queue } = createScene({
    run: async (key) => {
      runs += 1
      if (runs === 1) queue.add(key)
      active += 1
      most = Math.max(most, active)
      await turn()
      active -= 1
    },
  })
  queue.add('a')
  for (let turns = 0; turns < 5; turns += 1) await turn()
  t.equal(runs, 2)
  t.equal(most, 1)
})

void t.test('no more runs at once than workers, first come first served', async (t) => {
  const { queue, started, end } = createScene({ workers: 2 })
  for (const key of ['a', 'b', 'c', 'd']) queue.add(key)
  await turn()
  t.strictSame(started, ['a', 'b'])
  t.equal(queue.depth(), 2)
  await end('b')
  t.strictSame(started, ['a', 'b', 'c'])
})

void t.test('whoever adds a key does not run it', async (t) => {
  const { queue, started } = createScene()
  queue.add('a')
  t.strictSame(started, [])
  await turn()
  t.strictSame(started, ['a'])
})

void t.test('addAfter waits; of several the earliest counts', async (t) => {
  const { queue, started, advance, pending, end } = createScene()
  queue.addAfter('a', 1_000)
  queue.addAfter('a', 100)
  queue.addAfter('a', 500)
  t.equal(pending(), 1)
  await advance(99)
  t.strictSame(started, [])
  await advance(1)
  t.strictSame(started, ['a'])
  await end('a')
  await advance(2_000)
  t.strictSame(started, ['a'])
})

void t.test('addAfter takes any number: none of them can hang or flood', async (t) => {
  const { queue, started, advance } = createScene({ workers: 9 })
  for (const [key, ms] of [
    ['past', -5],
    ['not a number', Number.NaN],
    ['for ever', Number.POSITIVE_INFINITY],
    ['25 days', 25 * 86_400_000],
  ] as const) {
    queue.addAfter(key, ms)
  }
  await advance(0)
  t.strictSame(started, ['past', 'not a number'])
})

void t.test(
  'a failure is logged with its key and tried again, later each time; a success forgets it',
  async (t) => {
    const { queue, started, errors, advance, end } = createScene()
    const retries = () => errors.map(({ details }) => details.retryInMs)
    queue.add('a')
    await turn()
    await end('a', new Error('first'))
    t.match(errors, [
      { details: { key: 'a', err: { message: 'first' }, failures: 1, retryInMs: 50 }, message: 'run failed' },
    ])
    await advance(50)
    await end('a', new Error('second'))
    await advance(100)
    t.equal(started.length, 3)
    await end('a')
    queue.add('a')
    await turn()
    await end('a', new Error('later'))
    t.strictSame(retries(), [50, 100, 50])
  },
)

void t.test('the wait between retries is bounded', async (t) => {
  const { queue, errors, advance, end } = createScene()
  queue.add('a')
  await turn()
  for (let failures = 0; failures < 40; failures += 1) {
    await end('a', new Error('still'))
    await advance(30_000)
  }
  t.equal(errors.at(-1)?.details.retryInMs, 30_000)
})

void t.test('one key that fails delays no other', async (t) => {
  const { queue, started, end } = createScene({ workers: 1 })
  queue.add('bad')
  queue.add('good')
  await turn()
  await end('bad', new Error('no'))
  t.strictSame(started, ['bad', 'good'])
})

void t.test('a run that throws instead of rejecting is a failure like any other', async (t) => {
  const { queue, errors } = createScene({
    run: () => {
      throw new Error('at once')
    },
  })
  queue.add('a')
  await turn()
  t.match(errors, [{ details: { key: 'a', err: { message: 'at once' } } }])
})

void t.test('listeners are told, and one that throws breaks nothing', async (t) => {
  const told: string[] = []
  const { queue, errors, advance, end, started } = createScene({
    events: {
      added: (key) => told.push(`added ${key}`),
      succeeded: (key) => {
        told.push(`succeeded ${key}`)
        throw new Error('bad listener')
      },
      failed: (key) => told.push(`failed ${key}`),
    },
  })
  queue.add('a')
  await turn()
  await end('a', new Error('x'))
  await advance(50)
  await end('a')
  t.strictSame(told, ['added a', 'failed a', 'added a', 'succeeded a'])
  t.match(errors.at(-1), { message: 'listener of the work queue failed' })
  queue.add('a')
  await turn()
  t.equal(started.length, 3)
  t.equal(errors.length, 2, 'the success stayed a success')
})

void t.test('stop: nothing starts, timers end, what runs is told and awaited', async (t) => {
  const signals: AbortSignal[] = []
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const { queue, advance, pending } = createScene({
    workers: 1,
    run: (_key, signal) => {
      signals.push(signal)
      return ended
    },
  })
  queue.add('running')
  queue.add('waiting')
  queue.addAfter('delayed', 10)
  await turn()
  let stopped = false
  const stopping = queue.stop().then(() => {
    stopped = true
  })
  await advance(1_000)
  t.equal(pending(), 0)
  t.equal(signals[0]?.aborted, true)
  t.notOk(stopped, 'still running')
  queue.add('running')
  queue.addAfter('late', 0)
  end()
  await stopping
  await queue.stop()
  await advance(1_000)
  t.equal(signals.length, 1)
  t.equal(queue.depth(), 0)
})

void t.test('stop right after add: the key does not run', async (t) => {
  const { queue, started } = createScene()
  queue.add('a')
  await queue.stop()
  t.strictSame(started, [])
})

void t.test('stop: a run cut short is no error, any other failure is', async (t) => {
  const { queue, errors } = createScene({
    run: async (key, signal) => {
      await once(signal, 'abort')
      throw key === 'cut' ? new DOMException('stop', 'AbortError') : new Error('unrelated')
    },
  })
  queue.add('cut')
  queue.add('broken')
  await turn()
  await queue.stop()
  t.match(errors, [{ details: { key: 'broken' }, message: 'run failed while stopping' }])
  t.equal(errors.length, 1)
})

void t.test('the signal given stops it too, before or after it was made', async (t) => {
  const later = new AbortController()
  const scene = createScene({ signal: later.signal })
  scene.queue.add('a')
  await turn()
  later.abort()
  scene.queue.add('b')
  await scene.end('a')
  t.strictSame(scene.started, ['a'])

  const { queue, started } = createScene({ signal: AbortSignal.abort() })
  queue.add('a')
  await turn()
  t.strictSame(started, [])
})

void t.test('with the real clock', async (t) => {
  const { promise, resolve } = Promise.withResolvers<string>()
  const queue = createWorkQueue({
    workers: 1,
    log: { error: () => undefined },
    run: async (key) => resolve(key),
  })
  // setTimeout would fire at once for a time beyond 32 bits, and warn.
  queue.addAfter('for ever', Number.POSITIVE_INFINITY)
  queue.addAfter('a', 2)
  t.equal(await promise, 'a')
  await queue.stop()
})

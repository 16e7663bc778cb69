import { mock } from 'node:test'
import t from 'tap'
import { createLifecycle, type Part } from '../src/lifecycle.ts'
import { keptLog } from './support/kept-log.ts'

function newLifecycle() {
  const { logger, lines } = keptLog()
  const steps: string[] = []
  const part = (name: string, overrides: Partial<Part> = {}): Part => ({
    name,
    start: () => void steps.push(`start ${name}`),
    stop: () => void steps.push(`stop ${name}`),
    ...overrides,
  })
  return { lifecycle: createLifecycle(logger), steps, part, lines }
}

void t.test('parts stop in reverse, once', async (t) => {
  const { lifecycle, steps, part } = newLifecycle()
  for (const name of ['a', 'b', 'c']) await lifecycle.start(part(name))
  await lifecycle.start({ name: 'nothing to do' })
  await Promise.all([lifecycle.stop(), lifecycle.stop()])
  await lifecycle.stop()
  t.same(steps, ['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a'])
})

void t.test('a part that fails to start stops what runs and is heard', async (t) => {
  const { lifecycle, steps, part } = newLifecycle()
  await lifecycle.start(part('a'))
  const broken = part('b', {
    start: async () => {
      throw new Error('no port')
    },
  })
  await t.rejects(lifecycle.start(broken), { message: 'no port' })
  t.same(steps, ['start a', 'stop a'])
})

void t.test('a part that fails to stop does not keep the others', async (t) => {
  const { lifecycle, steps, part, lines } = newLifecycle()
  await lifecycle.start(part('a'))
  await lifecycle.start(
    part('b', {
      stop: () => {
        throw new Error('stuck')
      },
    }),
  )
  await lifecycle.stop()
  t.equal(steps.at(-1), 'stop a')
  t.match(lines.join(), /part failed to stop/)
})

void t.test('a part that hangs in its stop is given up after ten seconds', async (t) => {
  const { lifecycle, steps, part, lines } = newLifecycle()
  await lifecycle.start(part('a'))
  await lifecycle.start(part('b', { stop: () => new Promise(() => {}) }))
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const stopped = lifecycle.stop()
  mock.timers.tick(9_999)
  await Promise.resolve()
  t.notMatch(steps.join(), /stop a/)
  mock.timers.tick(1)
  await stopped
  t.equal(steps.at(-1), 'stop a')
  t.match(lines.join(), /did not stop in time/)
})

void t.test('a stop while a part starts stops that part too; nothing starts after it', async (t) => {
  const { lifecycle, steps, part } = newLifecycle()
  const slow = Promise.withResolvers<void>()
  const starting = lifecycle.start(part('slow', { start: () => slow.promise }))
  await lifecycle.stop()
  slow.resolve()
  await starting
  t.same(steps, ['stop slow'])
  await t.rejects(lifecycle.start(part('late')), { code: 'GRN_SHUTTING_DOWN' })
  t.same(steps, ['stop slow'])
})

void t.test('a part that drains may say how long its stop takes', async (t) => {
  const { lifecycle, steps, part } = newLifecycle()
  await lifecycle.start(part('a'))
  await lifecycle.start({ name: 'b', stopWithinMs: 35_000, stop: () => new Promise(() => {}) })
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const stopped = lifecycle.stop()
  mock.timers.tick(34_999)
  await Promise.resolve()
  t.notMatch(steps.join(), /stop a/)
  mock.timers.tick(1)
  await stopped
  t.equal(steps.at(-1), 'stop a')
})

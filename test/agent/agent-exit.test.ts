import t from 'tap'
import { createAgentExit } from '../../src/agent/agent-exit.ts'

function newExit(close: () => Promise<void> = async () => {}, graceMs = 10_000) {
  const left = Promise.withResolvers<number>()
  const events: string[] = []
  const exit = createAgentExit({
    graceMs,
    close: async () => {
      events.push('close')
      await close()
    },
    exit: (code) => {
      events.push('exit')
      left.resolve(code)
    },
    log: () => {},
  })
  return { exit, code: left.promise, events }
}

void t.test('hook, then close, then exit 0', async (t) => {
  const { exit, code, events } = newExit()
  exit.after(async () => {
    await new Promise(setImmediate)
    events.push('hook')
  })
  t.equal(await code, 0)
  t.same(events, ['hook', 'close', 'exit'])
})

void t.test('a hook that comes while another runs is waited for, and one exit is made', async (t) => {
  const { exit, code, events } = newExit()
  exit.after(async () => {
    await new Promise(setImmediate)
    events.push('drain')
    exit.after(() => void events.push('end'))
  })
  t.equal(await code, 0)
  t.same(events, ['drain', 'end', 'close', 'exit'])
})

void t.test('a hook that fails is told by the exit code', async (t) => {
  const { exit, code, events } = newExit()
  exit.after(() => {
    throw new Error('cannot say goodbye')
  })
  t.equal(await code, 1)
  t.same(events, ['close', 'exit'])
})

void t.test('the grace period ends a departure that hangs', async (t) => {
  const hung = Promise.withResolvers<void>()
  const { exit, code } = newExit(() => hung.promise, 20)
  exit.after(() => {})
  t.equal(await code, 1)
})

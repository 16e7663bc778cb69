import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { endedAlready, endWithMe } from '../../bed/processes/death-watch.ts'
import { settledWithin } from '../../bed/processes/settled-within.ts'

/** A part of a benchmark in a process of its own, which answers calls: its work is its own, not the bench's. */
export interface BenchProcess<Calls extends CallTable> {
  readonly pid: number
  call<Name extends keyof Calls & string>(
    name: Name,
    argument: Parameters<Calls[Name]>[0],
  ): Promise<Awaited<ReturnType<Calls[Name]>>>
  /** Resident memory, bytes. */
  stop(): Promise<void>
}

/** Names of calls and what they take and give, all of it plain data. */
type CallTable = Readonly<Record<string, (argument: never) => unknown>>

interface Question {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}
interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

interface StartOptions {
  readonly program: string
  readonly logPath: string
}

const stopTimeoutMs = 5_000

/** Starts `node PROGRAM`, which must call {@link answerCalls}. */
export function startBenchProcess<Calls extends CallTable>(options: StartOptions): BenchProcess<Calls> {
  const log = openSync(options.logPath, 'a')
  // Without NODE_OPTIONS: a test runner puts its loaders there, whatever environment a program is given.
  const child = spawn('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, options.program], {
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
  })
  closeSync(log)
  const pid = child.pid
  if (pid === undefined) throw new Error(`could not start ${options.program}`)
  endWithMe(pid)
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  child.once('exit', () => {
    endedAlready(pid)
    for (const { reject } of waiting.values())
      reject(new Error(`${options.program} ended: ${options.logPath}`))
    waiting.clear()
    end()
  })
  child.on('message', ({ id, value, error }: Answer) => {
    const call = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) call?.resolve(value as never)
    else call?.reject(new Error(error))
  })
  let last = 0
  return {
    pid,
    call(name, argument) {
      const { promise, resolve, reject } = Promise.withResolvers<never>()
      const id = (last += 1)
      waiting.set(id, { resolve, reject })
      child.send({ id, name, argument } satisfies Question)
      return promise
    },
    stop: () => stopChild(child, ended),
  }
}

async function stopChild(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
  if (!(await settledWithin(ended, stopTimeoutMs))) child.kill('SIGKILL')
  await ended
}

/** In the process of its own: answers until the one who started it goes away. */
export function answerCalls(calls: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on('message', ({ id, name, argument }: Question) => {
    const reply = (answer: Omit<Answer, 'id'>) => process.send?.({ id, ...answer })
    void (async () => calls[name]?.(argument as never))().then(
      (value) => reply({ value }),
      (error: unknown) => reply({ error: error instanceof Error ? String(error.stack) : String(error) }),
    )
  })
  process.once('disconnect', () => process.exit(0))
}

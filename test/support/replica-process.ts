import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { endedAlready, endWithMe } from '../../bed/processes/death-watch.ts'
import { until } from '../../bed/processes/until.ts'
import type { Session } from '../../src/domain/session.ts'
import type { OpenRequest } from '../../src/domain/session-request.ts'
import type { ClaimStep } from './claim-steps.ts'
import type { ReplicaOrder, ReplicaReport, ReplicaSettings } from './replica-program.ts'

/** An API replica's use cases in a process of its own, over the same Redis, PostgreSQL and agents. */
interface ReplicaProcess {
  open(request?: Partial<OpenRequest>, key?: string): Promise<ReplicaAnswer>
  /** Resolves with the first session of the batch. */
  openAll(requests: readonly OpenRequest[], key: string): Promise<ReplicaAnswer>
  /** From now on every open stops at this step. */
  hold(step: ClaimStep): void
  release(step: ClaimStep): void
  /** Resolves when as many opens are held at the step. */
  untilHeld(step: ClaimStep, count?: number): Promise<void>
  /** Keeps the event loop busy for `ms`, beginning `afterMs` after the next delivery was sent. */
  stall(afterMs: number, ms: number): void
  stalls(): number
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>
}

type ReplicaAnswer =
  | { readonly kind: 'opened'; readonly session: Session; readonly replayed: boolean }
  | { readonly kind: 'refused'; readonly code: string }

const program = fileURLToPath(new URL('./replica-program.ts', import.meta.url))

export async function startReplicaProcess(t: Test, settings: ReplicaSettings): Promise<ReplicaProcess> {
  // tap's loaders in NODE_OPTIONS would weigh 250 MB here.
  const { NODE_OPTIONS: _tap, ...env } = process.env
  const child = spawn(process.execPath, [program, JSON.stringify(settings)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env,
  })
  const pid = child.pid
  if (pid === undefined) throw new Error('the replica was not started')
  endWithMe(pid)
  const exited = once(child, 'exit').then(() => endedAlready(pid))
  t.teardown(() => kill(child, exited))
  const held = new Map<ClaimStep, number>()
  const answers = new Map<number, (answer: ReplicaAnswer) => void>()
  let stalls = 0
  let calls = 0
  const ready = Promise.withResolvers<void>()
  void exited.then(() => ready.reject(new Error('the replica ended at once')))
  child.on('message', (report: ReplicaReport) => {
    if (report.kind === 'ready') ready.resolve()
    else if (report.kind === 'stalled') stalls += 1
    else if (report.kind === 'held') held.set(report.step, (held.get(report.step) ?? 0) + 1)
    else answers.get(report.call)?.(report)
  })
  await ready.promise
  const order = (message: ReplicaOrder): void => void child.send(message)
  function ask(orderOf: (call: number) => ReplicaOrder): Promise<ReplicaAnswer> {
    calls += 1
    const { promise, resolve } = Promise.withResolvers<ReplicaAnswer>()
    answers.set(calls, resolve)
    order(orderOf(calls))
    return promise
  }
  return {
    open: (request = {}, key) =>
      ask((call) => ({ kind: 'open', call, request, ...(key !== undefined && { key }) })),
    openAll: (requests, key) => ask((call) => ({ kind: 'open-all', call, requests: [...requests], key })),
    hold: (step) => order({ kind: 'hold', step }),
    release: (step) => order({ kind: 'release', step }),
    async untilHeld(step, count = 1) {
      await until(`${count} held at ${step}`, () => (held.get(step) ?? 0) >= count)
    },
    stall: (afterMs, ms) => order({ kind: 'stall', afterMs, ms }),
    stalls: () => stalls,
    signal: (signal) => void process.kill(pid, signal),
    kill: () => kill(child, exited),
  }
}

async function kill(child: ChildProcess, exited: Promise<void>): Promise<void> {
  // SIGKILL ends a stopped process as well.
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  await exited
}

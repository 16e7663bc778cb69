import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { V1Container, V1ContainerStatus } from '@kubernetes/client-node'
import { pause } from '../../src/timing/pause.ts'
import { ContainerRefusal } from './container-env.ts'
import { watchHealth } from './container-health.ts'
import type { ContainerPlan } from './container-plan.ts'
import { type ContainerExit, type ContainerProcess, startContainerProcess } from './container-process.ts'
import type { ContainerRecord, TerminatedState } from './pod-status.ts'

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never'

/** What the pod does for its containers. */
export interface ContainerHost {
  readonly podIp: string
  readonly restartPolicy: RestartPolicy
  readonly graceSeconds: number
  readonly restartBackoffMs: number
  /** Throws ContainerRefusal. */
  plan(container: V1Container): Promise<ContainerPlan>
  logPath(container: V1Container): string
  /** The record has changed. */
  changed(): void
  started(container: string, pid: number): void
  exited(container: string, exitCode: number): void
  waiting(container: string, reason: string, message: string): void
  unhealthy(container: string, message: string): void
  warn(message: string): void
}

/** A kubelet's ceiling of the back-off between restarts. */
const longestBackoffMs = 300_000
/** A container that ran this long starts again without back-off. */
const forgiveAfterMs = 600_000
/** A kubelet tries again at its next sync, about 10 s later. Tests would wait for that. */
const refusedRetryMs = 500

/** One container over all its starts. */
export class ContainerRunner {
  readonly container: V1Container
  record: ContainerRecord
  readonly #host: ContainerHost
  #process: ContainerProcess | undefined

  constructor(container: V1Container, host: ContainerHost, before?: V1ContainerStatus) {
    this.container = container
    this.#host = host
    this.record = recordFrom(container, before)
  }

  /** Resolves when the container has ended for good, or after `stopping` when its process has ended. A failing container does not reject it. */
  async run(stopping: AbortSignal): Promise<void> {
    if (this.record.state.kind === 'terminated' && !this.#mustRestart(this.record.state.exitCode)) {
      // It ended while no kubelet ran.
      this.#host.changed()
      return
    }
    let backoffMs = 0
    while (!stopping.aborted) {
      const plan = await this.#untilPlanned(stopping)
      // Planning reads ConfigMaps and Secrets: the pod may have been deleted meanwhile.
      if (!plan || stopping.aborted) return
      const startedAt = performance.now()
      const exit = await this.#runOnce(plan, stopping)
      if (stopping.aborted || !this.#mustRestart(exit.exitCode)) return
      if (performance.now() - startedAt > forgiveAfterMs) backoffMs = 0
      if (!(await this.#backOff(backoffMs, stopping))) return
      // The first restart is immediate, as a kubelet's is.
      backoffMs = backoffMs === 0 ? this.#host.restartBackoffMs : Math.min(backoffMs * 2, longestBackoffMs)
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.signal(name)
  }

  isRunning(): boolean {
    return this.record.state.kind === 'running'
  }

  #mustRestart(exitCode: number): boolean {
    const { restartPolicy } = this.#host
    return restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && exitCode !== 0)
  }

  #change(change: Partial<ContainerRecord>): void {
    const next = { ...this.record, ...change }
    if (isDeepStrictEqual(next, this.record)) return
    this.record = next
    this.#host.changed()
  }

  /** Tries until the kubelet would make the container; undefined if it is stopped before. */
  async #untilPlanned(stopping: AbortSignal): Promise<ContainerPlan | undefined> {
    let refused: string | undefined
    for (;;) {
      try {
        return await this.#host.plan(this.container)
      } catch (error) {
        if (error instanceof ContainerRefusal) {
          // A kubelet reports the second failed pull of an image as back-off.
          const again = error.reason === 'ErrImagePull' && refused === error.reason
          this.#wait(again ? 'ImagePullBackOff' : error.reason, error.message)
          refused = error.reason
        } else this.#host.warn(`${this.container.name}: ${String(error)}`)
      }
      await pause(refusedRetryMs, stopping)
      if (stopping.aborted) return undefined
    }
  }

  #wait(reason: string, message: string): void {
    const { state } = this.record
    if (state.kind === 'waiting' && state.reason === reason && state.message === message) return
    this.#change({ state: { kind: 'waiting', reason, message }, ready: false, started: false })
    this.#host.waiting(this.container.name, reason, message)
  }

  async #runOnce(plan: ContainerPlan, stopping: AbortSignal): Promise<ContainerExit> {
    const { container } = this
    const running = startContainerProcess({ ...plan, logPath: this.#host.logPath(container) })
    this.#process = running
    const state = { kind: 'running', containerId: newContainerId(), startedAt: Date.now() } as const
    const { startupProbe, readinessProbe } = container
    // Without a probe the container is started and ready at once, in the same write.
    this.#change({ state, started: !startupProbe, ready: !startupProbe && !readinessProbe })
    if (!startupProbe && !readinessProbe) running.pace('serving')
    this.#host.started(container.name, running.pid)
    const health = new AbortController()
    const probing = watchHealth(
      { container, podIp: this.#host.podIp, ...plan },
      this.#listener(running, stopping),
      health.signal,
    )
    const exit = await running.exited
    health.abort()
    await probing
    this.#process = undefined
    const ended: TerminatedState = {
      ...exit,
      kind: 'terminated',
      containerId: state.containerId,
      startedAt: state.startedAt,
      finishedAt: Date.now(),
    }
    this.#change({ state: ended, ready: false, started: false })
    this.#host.exited(container.name, exit.exitCode)
    return exit
  }

  #listener(running: ContainerProcess, stopping: AbortSignal): Parameters<typeof watchHealth>[1] {
    return {
      onStarted: () => this.#change({ started: true }),
      onReady: (ready) => {
        if (ready) running.pace('serving')
        this.#change({ ready })
      },
      onUnhealthy: (message) => {
        // The deletion of a pod ends its containers; a failed probe must not do it again.
        if (stopping.aborted) return
        this.#host.unhealthy(this.container.name, message)
        running.signal('SIGTERM')
        const timer = setTimeout(() => running.signal('SIGKILL'), this.#host.graceSeconds * 1_000)
        void running.exited.then(() => clearTimeout(timer))
      },
    }
  }

  /** The record of the restart; false if stopped while waiting for it. */
  async #backOff(backoffMs: number, stopping: AbortSignal): Promise<boolean> {
    const ended = this.record.state
    if (ended.kind !== 'terminated') return true
    this.record = { ...this.record, lastState: ended, restartCount: this.record.restartCount + 1 }
    if (backoffMs === 0) return !stopping.aborted
    const message = `back-off ${backoffMs} ms restarting failed container`
    this.#change({ state: { kind: 'waiting', reason: 'CrashLoopBackOff', message } })
    await pause(backoffMs, stopping)
    return !stopping.aborted
  }
}

function newContainerId(): string {
  return `process://${randomBytes(32).toString('hex')}`
}

/** After a restart of the kubelet: the processes of the one before died with it. */
function recordFrom(container: V1Container, before: V1ContainerStatus | undefined): ContainerRecord {
  const record: ContainerRecord = {
    name: container.name,
    image: container.image ?? '',
    state: { kind: 'waiting', reason: 'ContainerCreating' },
    restartCount: before?.restartCount ?? 0,
    ready: false,
    started: false,
  }
  const { running, terminated } = before?.state ?? {}
  if (!before || (!running && !terminated)) return record
  const state: TerminatedState = {
    kind: 'terminated',
    containerId: before.containerID ?? '',
    exitCode: terminated?.exitCode ?? 137,
    reason: terminated?.reason ?? 'ContainerStatusUnknown',
    startedAt: new Date(running?.startedAt ?? terminated?.startedAt ?? 0).getTime(),
    finishedAt: terminated?.finishedAt ? new Date(terminated.finishedAt).getTime() : Date.now(),
  }
  return { ...record, state, lastState: state, restartCount: before.restartCount + (terminated ? 0 : 1) }
}

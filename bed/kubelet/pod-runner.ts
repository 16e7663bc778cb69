import { chmod, chown, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { V1ConfigMap, V1Container, V1Pod, V1Secret } from '@kubernetes/client-node'
import { isRoot } from '../processes/system-user.ts'
import { aborted } from './aborted.ts'
import type { AddressPool } from './address-pool.ts'
import type { EnvSources } from './container-env.ts'
import type { ContainerImage } from './container-image.ts'
import { planContainer } from './container-plan.ts'
import { type ContainerHost, ContainerRunner, type RestartPolicy } from './container-runner.ts'
import type { KubeApi } from './kube-api.ts'
import type { KubeletEvent } from './kubelet-event.ts'
import { endPhaseOf, isOver, isReady, type PodPhase, phaseOf } from './pod-status.ts'
import { createStatusWriter, type StatusWriter } from './pod-status-writer.ts'
import type { StartSlots } from './start-slots.ts'

export interface PodRunnerDeps {
  readonly api: KubeApi
  readonly addresses: AddressPool
  readonly starts: StartSlots
  readonly images: Readonly<Record<string, ContainerImage>>
  readonly folder: string
  readonly nodeName: string
  readonly restartBackoffMs: number
  readonly emit: (event: KubeletEvent) => void
}

/** A pod that gets neither ready nor refused gives up its start slot after this time. */
const startSlotMs = 10_000

/** One pod of this node, from its binding to its removal from the API. */
export class PodRunner {
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly ip: string
  #pod: V1Pod
  readonly #deps: PodRunnerDeps
  readonly #initContainers: readonly ContainerRunner[]
  readonly #containers: readonly ContainerRunner[]
  readonly #status: StatusWriter
  /** Deletion was asked for, or the object is gone, or the kubelet stops. */
  readonly #stopping = new AbortController()
  /** The object is gone, or the kubelet stops: nothing is written any more. */
  readonly #gone = new AbortController()
  readonly #startTime = Date.now()
  #releaseStart: (() => void) | undefined
  #killTimer: NodeJS.Timeout | undefined
  #killAt = Number.POSITIVE_INFINITY
  #lastStart = 0
  #wasReady = false
  #ended = false

  constructor(pod: V1Pod, deps: PodRunnerDeps) {
    const { metadata, spec, status } = pod
    this.uid = metadata?.uid ?? ''
    this.name = metadata?.name ?? ''
    this.namespace = metadata?.namespace ?? ''
    this.#deps = deps
    this.#pod = pod
    this.ip = deps.addresses.take()
    const host = this.#host((spec?.restartPolicy ?? 'Always') as RestartPolicy)
    // An init container runs until it succeeds, and then never again.
    const initHost = {
      ...host,
      restartPolicy: host.restartPolicy === 'Never' ? 'Never' : 'OnFailure',
    } as const
    const make = (containers: readonly V1Container[] | undefined, itsHost: ContainerHost, init: boolean) =>
      (containers ?? []).map((container) => {
        const statuses = init ? status?.initContainerStatuses : status?.containerStatuses
        return new ContainerRunner(
          container,
          itsHost,
          statuses?.find(({ name }) => name === container.name),
        )
      })
    this.#initContainers = make(spec?.initContainers, initHost, true)
    this.#containers = make(spec?.containers, host, false)
    this.#status = createStatusWriter({
      api: deps.api,
      path: this.#path(),
      facts: () => this.#facts(),
      phase: () => this.phase(),
      warn: (message) => this.#warn(message),
      before: status?.conditions ?? [],
      gone: this.#gone.signal,
    })
    this.update(pod)
  }

  phase(): PodPhase {
    const containers = this.#containers.map(({ record }) => record)
    if (this.#stopping.signal.aborted && this.#ended) return endPhaseOf(containers)
    return phaseOf({
      pod: this.#pod,
      initContainers: this.#initContainers.map(({ record }) => record),
      containers,
    })
  }

  /** Sends the signal to every running container. */
  signal(name: NodeJS.Signals): void {
    for (const container of [...this.#initContainers, ...this.#containers]) container.signal(name)
  }

  update(pod: V1Pod): void {
    // Such as a resize; labels and the status are no change of it.
    const isOtherSpec = pod.metadata?.generation !== this.#pod.metadata?.generation
    this.#pod = pod
    if (pod.metadata?.deletionTimestamp) this.#terminate(pod.metadata.deletionGracePeriodSeconds ?? 0)
    else if (pod.spec?.readinessGates || isOtherSpec) this.#changed()
  }

  /** The object is gone (a forced deletion), or this kubelet stops: the processes end at once. */
  vanish(): void {
    this.#gone.abort()
    this.#terminate(0)
  }

  /** Resolves when the pod is gone from this node and from the API. Rejects only when the kubelet itself fails. */
  async run(): Promise<void> {
    try {
      if (!isOver((this.#pod.status?.phase ?? 'Pending') as PodPhase)) await this.#live()
      this.#ended = true
      this.#deps.addresses.giveBack(this.ip)
      await aborted(this.#stopping.signal)
      if (!this.#gone.signal.aborted) await this.#removeObject()
    } finally {
      clearTimeout(this.#killTimer)
      this.#gone.abort()
      await rm(this.#podFolder(), { recursive: true, force: true })
    }
  }

  async #live(): Promise<void> {
    const stopping = this.#stopping.signal
    this.#releaseStart = await this.#deps.starts.take(stopping)
    if (!this.#releaseStart) return
    const slotTimer = setTimeout(this.#releaseStart, startSlotMs)
    try {
      await this.#makeFolders()
      for (const container of this.#initContainers) {
        await container.run(stopping)
        const { state } = container.record
        if (stopping.aborted || state.kind !== 'terminated' || state.exitCode !== 0) return
      }
      await Promise.all(this.#containers.map((container) => container.run(stopping)))
    } finally {
      clearTimeout(slotTimer)
      this.#releaseStart()
    }
    if (!stopping.aborted) await this.#status.settled()
  }

  #terminate(graceSeconds: number): void {
    const first = !this.#stopping.signal.aborted
    this.#stopping.abort()
    if (first && graceSeconds > 0) this.signal('SIGTERM')
    const killAt = performance.now() + graceSeconds * 1_000
    // A second deletion may shorten the grace, never lengthen it.
    if (killAt >= this.#killAt) return
    this.#killAt = killAt
    clearTimeout(this.#killTimer)
    if (graceSeconds === 0) this.signal('SIGKILL')
    else this.#killTimer = setTimeout(() => this.signal('SIGKILL'), graceSeconds * 1_000)
  }

  async #removeObject(): Promise<void> {
    this.#changed()
    await this.#status.settled()
    await this.#status.removePod(this.uid)
    this.#deps.emit({ kind: 'deleted', podUid: this.uid, pod: this.name })
  }

  #changed(): void {
    const ready = isReady(this.#facts())
    if (ready && !this.#wasReady) {
      const sinceStartMs = performance.now() - this.#lastStart
      this.#deps.emit({ kind: 'ready', podUid: this.uid, pod: this.name, sinceStartMs })
    }
    this.#wasReady = ready
    const refused = this.#containers.some(
      ({ record }) => record.state.kind === 'waiting' && record.state.reason !== 'ContainerCreating',
    )
    if (ready || refused || isOver(this.phase())) this.#releaseStart?.()
    this.#status.changed()
  }

  #facts() {
    return {
      pod: this.#pod,
      podIp: this.ip,
      hostIp: this.#deps.addresses.nodeAddress,
      startTime: this.#startTime,
      initContainers: this.#initContainers.map(({ record }) => record),
      containers: this.#containers.map(({ record }) => record),
    }
  }

  #host(restartPolicy: RestartPolicy): ContainerHost {
    const { emit, folder, restartBackoffMs, images } = this.#deps
    const of = { podUid: this.uid, pod: this.name }
    return {
      podIp: this.ip,
      restartPolicy,
      graceSeconds: this.#pod.spec?.terminationGracePeriodSeconds ?? 30,
      restartBackoffMs,
      plan: (container) =>
        planContainer({
          pod: this.#pod,
          container,
          images,
          sources: this.#sources(),
          tmpFolder: join(this.#podFolder(), 'tmp'),
          warn: (message) => this.#warn(message),
        }),
      logPath: (container) => join(folder, 'logs', `${this.name}_${container.name}.log`),
      changed: () => this.#changed(),
      started: (container, pid) => {
        this.#lastStart = performance.now()
        emit({ kind: 'container-started', ...of, container, pid })
      },
      exited: (container, exitCode) => emit({ kind: 'container-exited', ...of, container, exitCode }),
      waiting: (container, reason, message) => emit({ kind: 'waiting', ...of, container, reason, message }),
      unhealthy: (container, message) => emit({ kind: 'unhealthy', ...of, container, message }),
      warn: (message) => this.#warn(message),
    }
  }

  #sources(): EnvSources {
    const { api, addresses, nodeName } = this.#deps
    const namespace = `/api/v1/namespaces/${this.namespace}`
    return {
      podIp: this.ip,
      hostIp: addresses.nodeAddress,
      nodeName,
      configMap: async (name) => {
        const found = await api.get<V1ConfigMap>(`${namespace}/configmaps/${name}`)
        return found && (found.data ?? {})
      },
      secret: async (name) => {
        const found = await api.get<V1Secret>(`${namespace}/secrets/${name}`)
        const entries = Object.entries(found?.data ?? {})
        return (
          found &&
          Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
        )
      },
    }
  }

  /** `tmp` belongs to the pod's user and group, as an emptyDir with fsGroup does. */
  async #makeFolders(): Promise<void> {
    const tmp = join(this.#podFolder(), 'tmp')
    await mkdir(tmp, { recursive: true })
    await chmod(this.#podFolder(), 0o711)
    const { runAsUser = 0, fsGroup = runAsUser } = this.#pod.spec?.securityContext ?? {}
    if (isRoot) await chown(tmp, runAsUser, fsGroup)
    await chmod(tmp, 0o770)
  }

  #podFolder(): string {
    return join(this.#deps.folder, 'pods', this.uid)
  }

  #path(): string {
    return `/api/v1/namespaces/${this.namespace}/pods/${this.name}`
  }

  #warn(message: string): void {
    this.#deps.emit({ kind: 'warning', message: `${this.namespace}/${this.name}: ${message}` })
  }
}

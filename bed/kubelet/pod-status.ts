import type { V1Pod } from '@kubernetes/client-node'

/** State of one container as the kubelet has it; `pod-status` turns it into the API's form. Times are epoch ms. */
export interface ContainerRecord {
  readonly name: string
  readonly image: string
  readonly state: ContainerState
  readonly lastState?: TerminatedState
  readonly restartCount: number
  readonly ready: boolean
  readonly started: boolean
}
type ContainerState =
  | { readonly kind: 'waiting'; readonly reason: string; readonly message?: string }
  | { readonly kind: 'running'; readonly containerId: string; readonly startedAt: number }
  | TerminatedState
export interface TerminatedState {
  readonly kind: 'terminated'
  readonly containerId: string
  readonly exitCode: number
  readonly reason: string
  readonly message?: string
  readonly startedAt: number
  readonly finishedAt: number
}

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed'

export interface PodFacts {
  readonly pod: V1Pod
  readonly podIp: string
  readonly hostIp: string
  readonly startTime: number
  readonly initContainers: readonly ContainerRecord[]
  readonly containers: readonly ContainerRecord[]
}

/** As kubelet's getPhase decides it. */
export function phaseOf({
  pod,
  initContainers,
  containers,
}: Pick<PodFacts, 'pod' | 'initContainers' | 'containers'>): PodPhase {
  const policy = pod.spec?.restartPolicy ?? 'Always'
  const failedInit = initContainers.some(({ state }) => state.kind === 'terminated' && state.exitCode !== 0)
  if (failedInit && policy === 'Never') return 'Failed'
  if (!isInitialized(initContainers)) return 'Pending'
  const ended = containers.map((container) => endOf(container))
  if (containers.some(({ state, lastState }) => state.kind === 'waiting' && !lastState)) return 'Pending'
  if (containers.some(({ state }) => state.kind === 'running')) return 'Running'
  if (policy === 'Always') return 'Running'
  if (ended.every((end) => end?.exitCode === 0)) return 'Succeeded'
  return policy === 'Never' ? 'Failed' : 'Running'
}

/** The phase of a pod whose containers are all stopped because it was deleted. */
export function endPhaseOf(containers: readonly ContainerRecord[]): PodPhase {
  return containers.every((container) => endOf(container)?.exitCode === 0) ? 'Succeeded' : 'Failed'
}

function endOf({ state, lastState }: ContainerRecord): TerminatedState | undefined {
  return state.kind === 'terminated' ? state : lastState
}

function isInitialized(initContainers: readonly ContainerRecord[]): boolean {
  return initContainers.every(({ state }) => state.kind === 'terminated' && state.exitCode === 0)
}

/** True if every container is ready and every readiness gate is open. */
export function isReady({ pod, containers }: Pick<PodFacts, 'pod' | 'containers'>): boolean {
  const gates = (pod.spec?.readinessGates ?? []).every(({ conditionType }) =>
    pod.status?.conditions?.some(({ type, status }) => type === conditionType && status === 'True'),
  )
  return gates && containers.length > 0 && containers.every(({ ready }) => ready)
}

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False'
  readonly reason?: string | null
  readonly lastTransitionTime: string
}

/** The patch of `status`; `before` are the conditions of the last one, whose times stay while nothing changes. */
export function statusPatch(
  facts: PodFacts,
  phase: PodPhase,
  before: readonly Condition[],
  now: number,
): { readonly conditions: readonly Condition[]; readonly status: object } {
  const initialized = isInitialized(facts.initContainers)
  const containersReady = facts.containers.length > 0 && facts.containers.every(({ ready }) => ready)
  const over =
    phase === 'Succeeded' ? 'PodCompleted' : phase === 'Failed' ? 'PodFailed' : 'ContainersNotReady'
  const wanted: readonly Omit<Condition, 'lastTransitionTime'>[] = [
    { type: 'PodScheduled', status: 'True' },
    { type: 'PodReadyToStartContainers', status: isOver(phase) ? 'False' : 'True' },
    condition('Initialized', initialized, 'ContainersNotInitialized'),
    condition('ContainersReady', containersReady, over),
    condition('Ready', isReady(facts), over),
  ]
  const conditions = wanted.map((next) => {
    const last = before.find(({ type }) => type === next.type)
    const since = last?.status === next.status ? last.lastTransitionTime : rfc3339(now)
    return { ...next, lastTransitionTime: since }
  })
  return { conditions, status: { ...statusOf(facts, phase), conditions } }
}

export function isOver(phase: PodPhase): boolean {
  return phase === 'Succeeded' || phase === 'Failed'
}

function condition(type: string, value: boolean, reason: string): Omit<Condition, 'lastTransitionTime'> {
  // null removes the reason of an earlier write.
  return value ? { type, status: 'True', reason: null } : { type, status: 'False', reason }
}

function statusOf(
  { pod, podIp, hostIp, startTime, initContainers, containers }: PodFacts,
  phase: PodPhase,
): object {
  return {
    phase,
    observedGeneration: pod.metadata?.generation,
    hostIP: hostIp,
    // The API merges these lists by address; a kubelet that was started again gives the pod another one.
    hostIPs: [{ $patch: 'replace' }, { ip: hostIp }],
    podIP: podIp,
    podIPs: [{ $patch: 'replace' }, { ip: podIp }],
    startTime: rfc3339(startTime),
    ...(initContainers.length > 0 && { initContainerStatuses: initContainers.map(containerStatus) }),
    containerStatuses: containers.map((record) => ({
      ...containerStatus(record),
      // A process has as much as it takes, so a resize is done as soon as it is seen. Without `resources` of a running
      // container the API server takes the node for one that cannot resize.
      ...(record.state.kind === 'running' && {
        resources: pod.spec?.containers.find(({ name }) => name === record.name)?.resources ?? {},
      }),
    })),
  }
}

function containerStatus(record: ContainerRecord): object {
  const { name, image, state, lastState, restartCount, ready, started } = record
  const containerID = state.kind === 'waiting' ? lastState?.containerId : state.containerId
  return {
    name,
    image,
    imageID: `process://${image}`,
    ...(containerID !== undefined && { containerID }),
    restartCount,
    ready,
    started,
    state: stateOf(state),
    lastState: lastState ? stateOf(lastState) : {},
  }
}

function stateOf(state: ContainerState): object {
  switch (state.kind) {
    case 'waiting':
      return {
        waiting: { reason: state.reason, ...(state.message !== undefined && { message: state.message }) },
      }
    case 'running':
      return { running: { startedAt: rfc3339(state.startedAt) } }
    case 'terminated':
      return {
        terminated: {
          exitCode: state.exitCode,
          reason: state.reason,
          ...(state.message !== undefined && { message: state.message }),
          startedAt: rfc3339(state.startedAt),
          finishedAt: rfc3339(state.finishedAt),
          containerID: state.containerId,
        },
      }
  }
}

/** Whole seconds, as the API keeps them. */
function rfc3339(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`
}

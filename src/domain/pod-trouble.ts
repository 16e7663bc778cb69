import type { V1ContainerStateTerminated, V1ContainerStatus, V1PodStatus } from '@kubernetes/client-node'
import { withoutSecrets } from './plain-message.ts'

/** What the API says of a pod that cannot become Ready as it is. */
export interface PodTrouble {
  readonly cause: TroubleCause
  /** Kubernetes' word and, where there is one, its sentence; without secrets, bounded. */
  readonly message: string
}

/**
 * `image` cannot be pulled; `config` of the container is refused by the kubelet; `crash`: a container ends before it serves;
 * `node` refused or evicted the pod; `unschedulable`: no node has room for it; `deadline`: it took longer than the pool allows.
 */
export type TroubleCause = 'image' | 'config' | 'crash' | 'node' | 'unschedulable' | 'deadline'

/** Reasons with which a container waits. Every other one (ContainerCreating, PodInitializing) is the way to Ready. */
const waitingCauses: Readonly<Record<string, TroubleCause>> = {
  ErrImagePull: 'image',
  ImagePullBackOff: 'image',
  ErrImageNeverPull: 'image',
  InvalidImageName: 'image',
  ImageInspectError: 'image',
  RegistryUnavailable: 'image',
  SignatureValidationFailed: 'image',
  CreateContainerConfigError: 'config',
  CreateContainerError: 'config',
  CreatePodSandboxError: 'config',
  RunContainerError: 'config',
  PreCreateHookError: 'config',
  PostStartHookError: 'crash',
  CrashLoopBackOff: 'crash',
}

/** The kubelet tries again by itself, but only something outside the pod can help. */
export function isStuckCause(cause: TroubleCause | undefined): boolean {
  return cause === 'image' || cause === 'config'
}

/** undefined for a pod that is on its way, or Ready. */
export function podTroubleOf(status: V1PodStatus): PodTrouble | undefined {
  // An eviction ends the containers as well; then the pod's own reason says why.
  if (status.phase === 'Failed' && status.reason !== undefined)
    return troubleOf('node', status.reason, status.message)
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
  for (const container of containers) {
    const trouble = endingOf(container) ?? waitingOf(container)
    if (trouble) return trouble
  }
  const scheduled = status.conditions?.find(({ type }) => type === 'PodScheduled')
  return scheduled?.status === 'False' && scheduled.reason === 'Unschedulable'
    ? troubleOf('unschedulable', 'Unschedulable', scheduled.message)
    : undefined
}

/** `lastState` too: while a container waits for its next start, only that says how it ended. */
function endingOf({ name, state, lastState }: V1ContainerStatus): PodTrouble | undefined {
  const ended = state?.terminated ?? (state?.waiting ? lastState?.terminated : undefined)
  if (!ended || ended.exitCode === 0) return undefined
  const how = `container ${name} ended: ${ended.reason ?? 'Error'} (exit code ${ended.exitCode})`
  return troubleOf('crash', how + killerOf(ended), ended.message)
}

/**
 * SIGTERM or SIGKILL: the program did not end by itself. The pod does not say whose signal it was; the kubelet's is by far
 * the most common, and the pod's Events name the probe.
 */
function killerOf({ exitCode, reason }: V1ContainerStateTerminated): string {
  const killed = (exitCode === 143 || exitCode === 137) && reason !== 'OOMKilled'
  return killed ? ', killed from outside, as when its startup or liveness probe fails' : ''
}

function waitingOf({ state }: V1ContainerStatus): PodTrouble | undefined {
  const { reason = '', message } = state?.waiting ?? {}
  const cause = Object.hasOwn(waitingCauses, reason) ? waitingCauses[reason] : undefined
  return cause && troubleOf(cause, reason, message)
}

function troubleOf(cause: TroubleCause, reason: string, message: string | undefined): PodTrouble {
  return { cause, message: withoutSecrets(message ? `${reason}: ${message}` : reason) }
}

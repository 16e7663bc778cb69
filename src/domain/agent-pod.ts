import type { V1ContainerStatus, V1Pod, V1PodStatus } from '@kubernetes/client-node'
import { agentContainerName, annotation, label } from './names.ts'

/** What Greenroom keeps of a pod it watches: a few hundred bytes instead of the whole object. Times are epoch ms. */
export interface AgentPod {
  readonly uid: string
  readonly name: string
  readonly agentType: string
  readonly ip: string | undefined
  readonly nodeName: string | undefined
  readonly createdAt: number
  /** Set while the pod is Terminating. */
  readonly deletingSince: number | undefined
  /** When the Ready condition became true; undefined while it is not. */
  readonly readySince: number | undefined
  /** Why the pod can never serve again: phase Succeeded or Failed, or the agent container ended. */
  readonly deadReason: string | undefined
  /** Why a container cannot start at present (ErrImagePull, CrashLoopBackOff, …). */
  readonly waitingReason: string | undefined
  /** Identity of the running agent container; another one means that the process was replaced. */
  readonly containerId: string | undefined
  readonly templateHash: string | undefined
  readonly assignKeyIds: readonly string[]
  readonly stateLabel: string | undefined
  readonly sessionLabel: string | undefined
}

/** Reads a pod of the API; undefined for one that is not a pod of a pool. */
export function agentPodFrom(pod: V1Pod): AgentPod | undefined {
  const { metadata = {}, spec, status = {} } = pod
  const { uid, name, labels = {}, annotations = {} } = metadata
  const agentType = labels[label.pool]
  if (!uid || !name || !agentType) return undefined
  return {
    uid,
    name,
    agentType,
    nodeName: spec?.nodeName,
    createdAt: epochMs(metadata.creationTimestamp) ?? 0,
    deletingSince: epochMs(metadata.deletionTimestamp),
    templateHash: annotations[annotation.templateHash],
    assignKeyIds: (annotations[annotation.assignKeyIds] ?? '').split(',').filter((id) => id !== ''),
    stateLabel: labels[label.state],
    sessionLabel: labels[label.session],
    ...runningStateOf(status),
  }
}

type RunningState = Pick<AgentPod, 'ip' | 'readySince' | 'deadReason' | 'waitingReason' | 'containerId'>

function runningStateOf(status: V1PodStatus): RunningState {
  const containers = status.containerStatuses ?? []
  const agent = agentContainerStatus(containers)
  const ready = status.conditions?.find(
    (condition) => condition.type === 'Ready' && condition.status === 'True',
  )
  const waiting = containers.find((container) => container.state?.waiting)
  return {
    ip: status.podIP,
    readySince: ready && (epochMs(ready.lastTransitionTime) ?? 0),
    deadReason: deadReasonOf(status.phase, agent),
    waitingReason: waiting?.state?.waiting?.reason,
    containerId: agent?.containerID,
  }
}

function agentContainerStatus(statuses: readonly V1ContainerStatus[]): V1ContainerStatus | undefined {
  return statuses.find((container) => container.name === agentContainerName) ?? statuses[0]
}

function deadReasonOf(phase: string | undefined, agent: V1ContainerStatus | undefined): string | undefined {
  const ended = agent?.state?.terminated
  if (ended) return `agent container ended: ${ended.reason ?? 'unknown'} (exit code ${ended.exitCode})`
  if (phase === 'Failed' || phase === 'Succeeded') return `pod phase ${phase}`
  return undefined
}

/** The client gives Dates; a raw watch event gives RFC 3339 strings. */
function epochMs(time: Date | string | undefined): number | undefined {
  return time === undefined ? undefined : new Date(time).getTime()
}

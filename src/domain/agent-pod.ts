import type { V1ContainerStatus, V1Pod, V1PodStatus } from '@kubernetes/client-node'
import { agentContainerName, annotation, label } from './names.ts'
import { type PodResize, podResizeOf } from './pod-resize.ts'
import { less, type PodResources, podResources } from './pod-resources.ts'
import { type PodTrouble, podTroubleOf } from './pod-trouble.ts'
import { type EndReason, endReason } from './session.ts'

/** What Greenroom keeps of a pod that it watches: a few hundred bytes instead of the whole object. Times are epoch ms. */
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
  /** Since when a pod that a node has is not Ready; undefined while it is Ready or no node has it. */
  readonly startingSince?: number
  /** Why the pod can never serve again: phase Succeeded or Failed, or the agent container ended or was replaced. */
  readonly deadReason: string | undefined
  /** Why it cannot become Ready as it is, if the API says so. */
  readonly trouble?: PodTrouble
  /** Present when the API says that the pod's node is gone, so that no kubelet will report the pod's end. */
  readonly nodeLost?: true
  /** Since when the node has been silent; absent while it reports. A short silence does not mean that the pod is dead. */
  readonly unreachableSince?: number
  /** Id of the first agent container that was seen. Another id means that the process was replaced. */
  readonly containerId: string | undefined
  readonly templateHash: string | undefined
  /** Digest of what runs in the pod, as its specification says; absent where nobody compares it. */
  readonly specDigest?: string
  /** Present when the digest was another one before, even if it has changed back. */
  readonly specChanged?: true
  /** What its agent container takes, as the specification says. */
  readonly agentTakes?: PodResources
  /** What the pod takes beside it: sidecars that others add, and the overhead of its RuntimeClass. Absent for nothing. */
  readonly besideAgent?: PodResources
  /** What became of a resize so far; absent without one. */
  readonly resize?: PodResize
  readonly assignKeyIds: readonly string[]
  /** Digest of the policy's row that shaped the pod; absent if no webhook noted one. */
  readonly policyDigest?: string
  readonly stateLabel: string | undefined
  readonly sessionLabel: string | undefined
}

/** Reads a pod of the API; undefined for a pod that belongs to no pool. */
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
    ...takenBy(pod),
    assignKeyIds: keyIdsOf(annotations),
    ...(annotations[annotation.policyDigest] !== undefined && {
      policyDigest: annotations[annotation.policyDigest],
    }),
    stateLabel: labels[label.state],
    sessionLabel: labels[label.session],
    ...runningStateOf(status, spec?.nodeName === undefined ? undefined : epochMs(metadata.creationTimestamp)),
  }
}

/** The assign keys that a pod was given, newest first; none if no webhook noted them. */
export function keyIdsOf(annotations: Readonly<Record<string, string>>): readonly string[] {
  return (annotations[annotation.assignKeyIds] ?? '').split(',').filter((id) => id !== '')
}

function takenBy(pod: V1Pod): Pick<AgentPod, 'agentTakes' | 'besideAgent'> {
  if (!pod.spec?.containers?.some(({ resources }) => resources !== undefined)) return {}
  const { agent, all } = podResources(pod)
  const beside = less(all, agent)
  const isMore = [...Object.values(beside.requests), ...Object.values(beside.limits)].some((n) => n > 0n)
  return { agentTakes: agent, ...(isMore && { besideAgent: beside }) }
}

/**
 * Joins a pod as it was seen before with what is seen now. A container other than the first is a process without the
 * session, so the pod counts as dead for as long as it exists. A specification that was changed and changed back may
 * have run another program meanwhile.
 */
export function continuedFrom(before: AgentPod | undefined, pod: AgentPod): AgentPod {
  if (before === undefined) return pod
  const wasChanged = before.specChanged || before.specDigest !== pod.specDigest
  const seen: AgentPod = wasChanged ? { ...pod, specChanged: true } : pod
  const first = before.containerId
  if (first === undefined || pod.containerId === undefined || pod.containerId === first) return seen
  return { ...seen, containerId: first, deadReason: pod.deadReason ?? 'agent container was replaced' }
}

/** The pod as it counts now. If its node has been silent for `nodeLostMs` it is dead, although no kubelet reports that. */
export function asOf(pod: AgentPod, { now, nodeLostMs }: { now: number; nodeLostMs: number }): AgentPod {
  if (pod.unreachableSince === undefined || now - pod.unreachableSince < nodeLostMs) return pod
  return { ...pod, nodeLost: true, deadReason: pod.deadReason ?? 'node is unreachable' }
}

/** A pod, and the session that it serves by its label. The label is a hint: only the ledger says whether it is true. */
export interface ServedPod {
  readonly podUid: string
  readonly sessionId: string
}

/** The pods that say which session they serve, without those on their way out. */
export function servedPods(pods: readonly AgentPod[]): readonly ServedPod[] {
  return pods.flatMap(({ uid, sessionLabel, deletingSince }) =>
    sessionLabel === undefined || deletingSince !== undefined
      ? []
      : [{ podUid: uid, sessionId: sessionLabel }],
  )
}

/** Why a session on this pod is over; undefined while the pod may serve it. Also takes the last state of a pod that is gone. */
export function endOfSessionOn(pod: AgentPod): EndReason | undefined {
  if (pod.nodeLost) return endReason.nodeLost
  // Only people and evictions delete the pod of a live session. The agent's end follows from that.
  if (pod.deletingSince !== undefined) return endReason.podDeleted
  return pod.deadReason === undefined ? undefined : endReason.podDied
}

type RunningState = Pick<
  AgentPod,
  | 'ip'
  | 'readySince'
  | 'startingSince'
  | 'deadReason'
  | 'trouble'
  | 'containerId'
  | 'nodeLost'
  | 'unreachableSince'
  | 'resize'
>

/** `boundSince`: the creation of a pod that names a node, for pods whose conditions do not say when they got it. */
function runningStateOf(status: V1PodStatus, boundSince: number | undefined): RunningState {
  const containers = status.containerStatuses ?? []
  const agent = agentContainerStatus(containers)
  const ready = status.conditions?.find(
    (condition) => condition.type === 'Ready' && condition.status === 'True',
  )
  const trouble = ready ? undefined : podTroubleOf(status)
  const startingSince = ready ? undefined : startingSinceOf(status, boundSince)
  const unreachableSince = unreachableSinceOf(status)
  const resize = podResizeOf(status)
  return {
    ip: status.podIP,
    readySince: ready && (epochMs(ready.lastTransitionTime) ?? 0),
    ...(startingSince !== undefined && { startingSince }),
    deadReason: deadReasonOf(status.phase, agent),
    ...(trouble && { trouble }),
    ...(resize && { resize }),
    containerId: agent?.containerID,
    ...(isNodeLost(status) && { nodeLost: true }),
    ...(unreachableSince !== undefined && { unreachableSince }),
  }
}

/** A pod that was Ready before counts from the time at which it no longer was. */
function startingSinceOf(
  { conditions = [] }: V1PodStatus,
  boundSince: number | undefined,
): number | undefined {
  const scheduled = conditions.find(({ type }) => type === 'PodScheduled')
  if (scheduled ? scheduled.status !== 'True' : boundSince === undefined) return undefined
  const gotNodeAt = epochMs(scheduled?.lastTransitionTime) ?? boundSince
  const unreadySince = epochMs(conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime)
  return Math.max(gotNodeAt ?? 0, unreadySince ?? 0) || undefined
}

/** Reasons of deletions on a lost node. With other reasons (preemption, the eviction API) the kubelet is alive. */
const nodeLostReasons = ['DeletionByTaintManager', 'DeletionByPodGC']

function isNodeLost({ reason, conditions = [] }: V1PodStatus): boolean {
  // The node controller writes NodeLost on a pod that it deletes from a silent node.
  if (reason === 'NodeLost') return true
  return conditions.some(
    (condition) =>
      condition.type === 'DisruptionTarget' &&
      condition.status === 'True' &&
      nodeLostReasons.includes(condition.reason ?? ''),
  )
}

/**
 * Since when the node is silent, read from the pod's conditions, because the manifests give no right to read nodes. A
 * kubelet that finds the pod unready changes ContainersReady too, or names a readiness gate. The node controller, which
 * writes for a silent node, changes Ready alone; some providers write Unknown or NodeStatusUnknown.
 */
function unreachableSinceOf({ conditions = [] }: V1PodStatus): number | undefined {
  const ready = conditions.find(({ type }) => type === 'Ready')
  if (!ready || ready.status === 'True') return undefined
  const containersReady = conditions.some(
    ({ type, status }) => type === 'ContainersReady' && status === 'True',
  )
  const writtenByNodeController =
    ready.status === 'Unknown' ||
    ready.reason === 'NodeStatusUnknown' ||
    (containersReady && ready.reason !== 'ReadinessGatesNotReady')
  return writtenByNodeController ? epochMs(ready.lastTransitionTime) : undefined
}

function agentContainerStatus(statuses: readonly V1ContainerStatus[]): V1ContainerStatus | undefined {
  return statuses.find((container) => container.name === agentContainerName) ?? statuses[0]
}

function deadReasonOf(phase: string | undefined, agent: V1ContainerStatus | undefined): string | undefined {
  const ended = agent?.state?.terminated
  if (ended) return `agent container ended: ${ended.reason ?? 'unknown'} (exit code ${ended.exitCode})`
  if (phase === 'Failed' || phase === 'Succeeded') return `pod phase ${phase}`
  // Pool pods have restartPolicy Never, so a restart comes from another template or from the node's runtime.
  if ((agent?.restartCount ?? 0) > 0) return 'agent container was started again'
  return undefined
}

/** The client gives Dates; a raw watch event gives RFC 3339 strings. */
function epochMs(time: Date | string | undefined): number | undefined {
  return time === undefined ? undefined : new Date(time).getTime()
}

import type { V1Pod } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import { label } from '../domain/names.ts'
import { podResources } from '../domain/pod-resources.ts'
import type { PendingPod } from '../domain/yield-pods.ts'
import { apiPath } from './api-path.ts'
import type { KubeTransport } from './kube-transport.ts'
import { createListWatch } from './list-watch.ts'
import type { KubeObject } from './watch-stream.ts'

interface PendingPodWatchOptions {
  readonly transport: KubeTransport
  readonly namespace: string
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
}

/** Pods of the namespace that are not Greenroom's and that no node has room for. The manifests give no right to see others. */
export function createPendingPodWatch({ transport, namespace, logger }: PendingPodWatchOptions) {
  const pods = new Map<string, PendingPod>()
  const listWatch = createListWatch<V1Pod & KubeObject, PendingPod>({
    transport,
    path: apiPath({ resource: 'pods', namespace }),
    labelSelector: `!${label.managed}`,
    // A pod that starts leaves this list, and the watch says so.
    fieldSelector: 'status.phase=Pending',
    keep: pendingPodFrom,
    onChange: (pod, gone) => {
      if (gone) pods.delete(pod.uid)
      else pods.set(pod.uid, pod)
    },
    logger,
  })
  return {
    start: () => listWatch.start(),
    stop: () => listWatch.stop(),
    current: (): readonly PendingPod[] => [...pods.values()],
  }
}

/**
 * undefined for a pod that waits for something else. With a nominated node it waits for the end of pods of a lower priority,
 * which the scheduler has evicted for it already.
 */
export function pendingPodFrom(pod: V1Pod): PendingPod | undefined {
  const { metadata, status } = pod
  const { uid, name } = metadata ?? {}
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled')
  const isUnschedulable = scheduled?.status === 'False' && scheduled.reason === 'Unschedulable'
  if (!uid || !name || !isUnschedulable) return undefined
  if (metadata?.deletionTimestamp !== undefined || status?.nominatedNodeName) return undefined
  return { uid, name, requests: podResources(pod).all.requests }
}

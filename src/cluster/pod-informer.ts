import type { V1Pod } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import { type AgentPod, continuedFrom } from '../domain/agent-pod.ts'
import type { PodView } from '../domain/cluster-ports.ts'
import { label } from '../domain/names.ts'
import { apiPath } from './api-path.ts'
import type { KubeTransport } from './kube-transport.ts'
import { createListWatch, type ListWatchCounters, type ListWatchTiming } from './list-watch.ts'
import { seenAgentPod } from './spec-digest.ts'
import type { KubeObject } from './watch-stream.ts'

/**
 * The pods of all pools, kept as AgentPod only. While the Kubernetes API is down, what is known stays in use: warm
 * claims go on in a replica that has synced once, and `staleSince()` says how old its knowledge is.
 */
export interface PodInformer extends PodView {
  start(): void
  stop(): Promise<void>
  /** Epoch ms of the last contact with the API server, if there is none at present. */
  staleSince(): number | undefined
  counters(): ListWatchCounters
}

interface PodInformerOptions {
  readonly transport: KubeTransport
  readonly namespace: string
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly now?: () => number
  readonly timing?: Partial<ListWatchTiming>
}

type ChangeListener = Parameters<PodView['onChange']>[0]

export function createPodInformer({ namespace, logger, ...rest }: PodInformerOptions): PodInformer {
  const byUid = new Map<string, AgentPod>()
  const byPool = new Map<string, Map<string, AgentPod>>()
  const listeners = new Set<ChangeListener>()

  const store = (pod: AgentPod): void => {
    const before = byUid.get(pod.uid)
    if (before !== undefined && before.agentType !== pod.agentType) forget(before)
    byUid.set(pod.uid, pod)
    const pool = byPool.get(pod.agentType)
    if (pool) pool.set(pod.uid, pod)
    else byPool.set(pod.agentType, new Map([[pod.uid, pod]]))
  }

  const forget = (pod: AgentPod): void => {
    byUid.delete(pod.uid)
    const pool = byPool.get(pod.agentType)
    pool?.delete(pod.uid)
    if (pool?.size === 0) byPool.delete(pod.agentType)
  }

  const announce = (pod: AgentPod, gone: boolean, absent: boolean): void => {
    for (const listener of listeners) {
      try {
        listener({ pod, gone, absent })
      } catch (error) {
        logger.error({ err: error, pod: pod.name }, 'a listener of the pod informer failed')
      }
    }
  }

  const listWatch = createListWatch<V1Pod & KubeObject, AgentPod>({
    ...rest,
    path: apiPath({ resource: 'pods', namespace }),
    labelSelector: `${label.managed}=true`,
    keep(raw) {
      const pod = seenAgentPod(raw)
      return pod && continuedFrom(byUid.get(pod.uid), pod)
    },
    onChange: (pod, gone, absent) => {
      if (gone) forget(pod)
      else store(pod)
      announce(pod, gone, absent)
    },
    logger,
  })

  return {
    start: () => listWatch.start(),
    stop: () => listWatch.stop(),
    get: (podUid) => byUid.get(podUid),
    byPool: (agentType) => [...(byPool.get(agentType)?.values() ?? [])],
    all: () => [...byUid.values()],
    synced: () => listWatch.synced(),
    staleSince: () => listWatch.staleSince(),
    counters: () => listWatch.counters(),
    onChange(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
  }
}

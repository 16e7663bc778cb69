import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { pause } from '../../src/timing/pause.ts'
import { type KubeApi, strategicMergePatch } from './kube-api.ts'
import type { KubeletEvent } from './kubelet-event.ts'

/** The scheduler of a cluster with one node. */
export interface PodBinder {
  /** Binds a pod that has no node, if it may run here; otherwise tries again when the node changes. */
  consider(pod: V1Pod): void
  forget(pod: V1Pod): void
  nodeChanged(node: V1Node): void
}

interface PodBinderDeps {
  readonly api: KubeApi
  readonly nodeName: string
  readonly node: V1Node
  readonly stopped: AbortSignal
  readonly onBound: (pod: V1Pod) => void
  readonly emit: (event: KubeletEvent) => void
}

const retryMs = 200

export function createPodBinder(deps: PodBinderDeps): PodBinder {
  const { api, nodeName, emit } = deps
  let node = deps.node
  /** Pods without a node, by UID; `binding` while the request is under way. */
  const pending = new Map<string, { pod: V1Pod; binding: boolean; told: string | undefined }>()

  function reasonAgainst(pod: V1Pod): string | undefined {
    if (node.spec?.unschedulable) return '0/1 nodes are available: 1 node(s) were unschedulable.'
    const labels = node.metadata?.labels ?? {}
    const wanted = Object.entries(pod.spec?.nodeSelector ?? {})
    if (wanted.every(([name, value]) => labels[name] === value)) return undefined
    return "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
  }

  async function bind(uid: string): Promise<void> {
    const entry = pending.get(uid)
    if (!entry || entry.binding) return
    entry.binding = true
    try {
      const against = reasonAgainst(entry.pod)
      if (against) await tellUnschedulable(entry, against)
      else await bindHere(uid, entry.pod)
    } catch (error) {
      emit({ kind: 'warning', message: `binding ${entry.pod.metadata?.name}: ${String(error)}` })
      await pause(retryMs, deps.stopped)
      entry.binding = false
      if (!deps.stopped.aborted) return bind(uid)
    }
    entry.binding = false
    // The node may have changed while this was under way.
    if (pending.has(uid) && reasonAgainst(entry.pod) !== entry.told) return bind(uid)
  }

  async function bindHere(uid: string, pod: V1Pod): Promise<void> {
    const { name = '', namespace = '' } = pod.metadata ?? {}
    const answer = await api.send({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/pods/${name}/binding`,
      body: {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace, uid },
        target: { kind: 'Node', name: nodeName },
      },
    })
    // 404: the pod was deleted. 409: something else bound it. The watch will say which.
    if (answer.status !== 201 && answer.status !== 404 && answer.status !== 409) {
      throw new Error(`HTTP ${answer.status}: ${JSON.stringify(answer.body)}`)
    }
    const stillThere = pending.delete(uid)
    if (answer.status !== 201 || !stillThere) return
    emit({ kind: 'bound', podUid: uid, pod: name })
    deps.onBound(pod)
  }

  async function tellUnschedulable(
    entry: { pod: V1Pod; told: string | undefined },
    message: string,
  ): Promise<void> {
    if (entry.told === message) return
    entry.told = message
    const { name, namespace, uid } = entry.pod.metadata ?? {}
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime: new Date().toISOString(),
    }
    await api.send({
      method: 'PATCH',
      path: `/api/v1/namespaces/${namespace}/pods/${name}/status`,
      body: { metadata: { uid }, status: { conditions: [condition] } },
      contentType: strategicMergePatch,
    })
  }

  return {
    consider: (pod) => {
      const { uid = '', deletionTimestamp } = pod.metadata ?? {}
      const { schedulerName = 'default-scheduler', schedulingGates = [] } = pod.spec ?? {}
      if (deletionTimestamp || schedulerName !== 'default-scheduler' || schedulingGates.length > 0) return
      // The entry stays: a request under way is marked in it.
      const entry = pending.get(uid)
      if (entry) entry.pod = pod
      else pending.set(uid, { pod, binding: false, told: undefined })
      void bind(uid)
    },
    forget: (pod) => pending.delete(pod.metadata?.uid ?? ''),
    nodeChanged: (changed) => {
      node = changed
      for (const uid of pending.keys()) void bind(uid)
    },
  }
}

import type { AgentPod } from '../../src/domain/agent-pod.ts'
import type { PodView } from '../../src/domain/cluster-ports.ts'
import { madeDigest } from './noted-pods.ts'

/** Pods in memory, shown as an informer shows those of a cluster. */
export function createFakePodView() {
  const pods = new Map<string, AgentPod>()
  const listeners = new Set<Parameters<PodView['onChange']>[0]>()
  let synced = true
  const view: PodView = {
    get: (uid) => pods.get(uid),
    byPool: (agentType) => [...pods.values()].filter((pod) => pod.agentType === agentType),
    all: () => [...pods.values()],
    synced: () => synced,
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  return {
    view,
    /** The pod is there, and no event says so. */
    set: (pod: AgentPod) => void pods.set(pod.uid, pod),
    /** The pod is there or has changed, and an event says so. */
    change(pod: AgentPod): void {
      pods.set(pod.uid, pod)
      for (const listener of listeners) listener({ pod, gone: false })
    },
    /** The pod is gone, and no event says so. */
    drop: (uid: string) => void pods.delete(uid),
    /** The pod is gone, and an event says so; `absent`: a list only lacked it. */
    remove(uid: string, { absent = false } = {}): void {
      const pod = pods.get(uid)
      pods.delete(uid)
      if (pod) for (const listener of listeners) listener({ pod, gone: true, absent })
    },
    setSynced: (value: boolean) => {
      synced = value
    },
    listeners: () => listeners.size,
  }
}

/** A pod that was just created: no address yet, not ready. */
export function newPod(overrides: Partial<AgentPod> & { uid: string }): AgentPod {
  return {
    name: `name-${overrides.uid}`,
    agentType: 'echo-agent',
    ip: undefined,
    nodeName: 'local',
    createdAt: 0,
    deletingSince: undefined,
    readySince: undefined,
    deadReason: undefined,
    containerId: 'c1',
    templateHash: undefined,
    specDigest: madeDigest,
    assignKeyIds: ['k1'],
    stateLabel: 'idle',
    sessionLabel: undefined,
    ...overrides,
  }
}

/** A warm pod of its pool. */
export function readyPod(overrides: Partial<AgentPod> & { uid: string }): AgentPod {
  return newPod({ ip: '127.0.0.1', readySince: 1, templateHash: 'h1', ...overrides })
}

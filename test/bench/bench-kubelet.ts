import { setTimeout } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { createKubeApi, type KubeApi } from '../../bed/kubelet/kube-api.ts'
import { listAndWatch } from '../../bed/kubelet/list-and-watch.ts'
import { registerNode } from '../../bed/kubelet/node-registration.ts'
import type { Agents } from './agents.ts'
import { namespace as usualNamespace } from './bench-bed.ts'
import { patchReady, podsPathOf } from './bench-pods.ts'

/**
 * Plays the scheduler and the kubelet for pods whose agents are played by one process: binds a pod, gives it an address,
 * says Ready a moment later, and confirms its deletion at once. The process kubelet starts real processes, and two cores
 * start about four of them a second; a cluster's own part of a refill is not what is measured here.
 */
interface BenchKubelet {
  stop(): Promise<void>
}

export interface BenchKubeletOptions {
  readonly kubeconfigPath: string
  /** From the binding to Ready: what starting the container and its first probe would take. */
  readonly readyAfterMs: number
  /** Of the pods; that of the agents unless given. */
  readonly namespace?: string
}

const nodeName = 'bench'
const retryMs = 500

export async function startBenchKubelet(
  agents: Agents,
  { kubeconfigPath, readyAfterMs, namespace = usualNamespace }: BenchKubeletOptions,
): Promise<BenchKubelet> {
  const api = await createKubeApi(kubeconfigPath)
  const podsPath = podsPathOf(namespace)
  const stopping = new AbortController()
  const free = [...agents.addresses]
  /** Address of each pod, by UID. */
  const known = new Map<string, string>()
  await registerNode(api, { name: nodeName, address: '127.0.0.1' })

  async function run(pod: V1Pod, ip: string): Promise<void> {
    const { uid = '', name = '' } = pod.metadata ?? {}
    await bind(api, `${podsPath}/${name}`, { name, uid })
    await setTimeout(readyAfterMs)
    await patchReady(api, { uid, name, ip }, podsPath)
  }

  async function remove(pod: V1Pod): Promise<void> {
    const { uid = '', name = '' } = pod.metadata ?? {}
    const body = { gracePeriodSeconds: 0, preconditions: { uid } }
    const { status } = await api.send({ method: 'DELETE', path: `${podsPath}/${name}`, body })
    if (status >= 500 || status === 429) throw new Error(`deleting ${name}: HTTP ${status}`)
  }

  /** A kubelet does not give up: an API server that did not answer on a busy machine is asked again. */
  async function untilDone(uid: string, work: () => Promise<void>): Promise<void> {
    while (known.has(uid) && !stopping.signal.aborted) {
      try {
        return await work()
      } catch (error) {
        console.error(String(error))
        await setTimeout(retryMs)
      }
    }
  }

  /** A pod that ran before this kubelet was there keeps its address. */
  function adopt(uid: string, ip: string): void {
    known.set(uid, ip)
    const at = free.indexOf(ip)
    if (at >= 0) free.splice(at, 1)
  }

  function begin(pod: V1Pod, uid: string): void {
    // The first one freed: a late packet to a dead pod should not meet its successor.
    const ip = free.shift()
    if (ip === undefined) return console.error(`${pod.metadata?.name}: more pods than agents`)
    known.set(uid, ip)
    agents.place([{ ip, uid }])
    void untilDone(uid, () => run(pod, ip))
  }

  function forget(uid: string): void {
    const ip = known.get(uid)
    known.delete(uid)
    if (ip !== undefined) free.push(ip)
  }

  function consider(pod: V1Pod): void {
    const uid = pod.metadata?.uid ?? ''
    if (pod.metadata?.deletionTimestamp) void untilDone(uid, () => remove(pod))
    else if (known.has(uid)) return
    else if (pod.status?.podIP) adopt(uid, pod.status.podIP)
    else begin(pod, uid)
  }

  const watching = listAndWatch<V1Pod>(
    api,
    {
      path: podsPath,
      onObject: consider,
      onGone: (pod) => forget(pod.metadata?.uid ?? ''),
      onError: (error) => console.error(String(error)),
    },
    stopping.signal,
  )
  return {
    async stop() {
      stopping.abort()
      await watching
      api.close()
    },
  }
}

async function bind(api: KubeApi, path: string, { name, uid }: { name: string; uid: string }): Promise<void> {
  const body = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name, uid },
    target: { kind: 'Node', name: nodeName },
  }
  const answer = await api.send({ method: 'POST', path: `${path}/binding`, body })
  // 409: an earlier try was done although nobody heard.
  if (answer.status !== 201 && answer.status !== 409)
    throw new Error(`binding ${name}: HTTP ${answer.status}`)
}

import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { levelPaces } from '../processes/process-pace.ts'
import { createAddressPool } from './address-pool.ts'
import type { ContainerImage } from './container-image.ts'
import { createKubeApi } from './kube-api.ts'
import type { KubeletEvent } from './kubelet-event.ts'
import { listAndWatch, type WatchHandlers } from './list-and-watch.ts'
import { registerNode } from './node-registration.ts'
import { createPodBinder, type PodBinder } from './pod-binder.ts'
import { createRunners, type KubeletPod, type Runners } from './runners.ts'
import { createStartSlots } from './start-slots.ts'

/**
 * Scheduler and kubelet of the bed: a pod's containers run as processes of this machine, each pod on a loopback address
 * of its own.
 *
 * As in a cluster: init containers in order, command and args with `$(VAR)`, env, envFrom, downward API, probes,
 * restartPolicy with back-off, grace period, exit codes, status and conditions; refusals (unknown image, missing
 * ConfigMap or Secret key, runAsNonRoot as root); runAsUser, if this process is root and that user can read the image's
 * folder; nodeSelector and cordoning.
 *
 * Not as in a cluster: processes share network, file system and process table of the machine. So each gets
 * `GREENROOM_LISTEN_ADDRESS` (its pod's address) to listen on instead of all addresses; of volumes only one mounted at
 * `/tmp` is emulated, by TMPDIR; limits are not enforced (a starting container has the lowest priority); capabilities, seccomp and a
 * read-only root are the API server's business here, not the process's. No preStop hooks, no restartable init
 * containers, no activeDeadlineSeconds, no node heartbeats, no affinity, no logs through the API (they are files).
 */
export interface ProcessKubelet {
  readonly nodeName: string
  pods(): readonly KubeletPod[]
  /** Sends a signal to all containers of a pod without telling the API server; false if the pod is not here. */
  kill(podUid: string, signal: NodeJS.Signals): boolean
  /** Ends every process at once and writes nothing more, like a node that loses power. */
  stop(): Promise<void>
}

interface ProcessKubeletOptions {
  /** Needs the rights of a scheduler and a kubelet. */
  readonly kubeconfigPath: string
  /** By image name, exactly as pods name it. May be changed while running. */
  readonly images: Readonly<Record<string, ContainerImage>>
  /** `logs/POD_CONTAINER.log` and the pods' temporary folders. */
  readonly folder: string
  /** `local` unless given. */
  readonly nodeName?: string
  /** First two octets of the pods' addresses; a free range of 127.0.0.0/8 unless given. */
  readonly addressPrefix?: string
  /** First back-off between restarts, doubled each time; 10 s (a kubelet's) unless given. */
  readonly restartBackoffMs?: number
  /** How many pods may start at once; more would only slow each other down. */
  readonly startsAtOnce?: number
  /** Starting containers get the lowest priority. On busy cores they then hardly start: only where speed is measured. */
  readonly paced?: boolean
  readonly onEvent?: (event: KubeletEvent) => void
}

/** Twice the cores of a small machine: one starts while another one waits for its probe. */
const defaultStartsAtOnce = 4

/** Resolves when the node is Ready. */
export async function startProcessKubelet(options: ProcessKubeletOptions): Promise<ProcessKubelet> {
  const { folder, images, nodeName = 'local', onEvent = () => undefined } = options
  if (!options.paced) levelPaces()
  await makeFolders(folder)
  const addresses = await createAddressPool(options.addressPrefix)
  const api = await createKubeApi(options.kubeconfigPath)
  const emit = onceEach(onEvent)
  const warn = (error: unknown) => emit({ kind: 'warning', message: String(error) })
  const starts = createStartSlots(options.startsAtOnce ?? defaultStartsAtOnce)
  const { restartBackoffMs = 10_000 } = options
  const runners = createRunners({ api, addresses, images, folder, nodeName, emit, starts, restartBackoffMs })
  const stopping = new AbortController()
  const close = async () => {
    stopping.abort()
    await runners.stop()
    api.close()
    await addresses.close()
  }
  let node: V1Node
  try {
    node = await registerNode(api, { name: nodeName, address: addresses.nodeAddress })
  } catch (error) {
    await close()
    throw error
  }
  const { signal: stopped } = stopping
  const binder = createPodBinder({ api, nodeName, node, emit, onBound: runners.adopt, stopped })
  const watches = Promise.all([
    listAndWatch(api, podHandlers({ nodeName, runners, binder, warn }), stopped),
    listAndWatch(api, nodeHandlers({ nodeName, binder, warn }), stopped),
  ])
  return {
    nodeName,
    pods: runners.pods,
    kill: runners.kill,
    stop: async () => {
      await close()
      await watches
    },
  }
}

interface Watching {
  readonly nodeName: string
  readonly binder: PodBinder
  readonly warn: (error: unknown) => void
}

function podHandlers({
  nodeName,
  runners,
  binder,
  warn,
}: Watching & { runners: Runners }): WatchHandlers<V1Pod> {
  return {
    path: '/api/v1/pods',
    onObject: (pod) => {
      if (runners.update(pod)) return
      if (pod.spec?.nodeName === nodeName) runners.adopt(pod)
      else if (!pod.spec?.nodeName) binder.consider(pod)
    },
    onGone: (pod) => {
      binder.forget(pod)
      runners.forget(pod)
    },
    onError: warn,
  }
}

function nodeHandlers({ nodeName, binder, warn }: Watching): WatchHandlers<V1Node> {
  return {
    path: '/api/v1/nodes',
    query: `fieldSelector=metadata.name%3D${nodeName}`,
    onObject: (node) => binder.nodeChanged(node),
    onGone: () => warn(`node ${nodeName} was deleted`),
    onError: warn,
  }
}

async function makeFolders(folder: string): Promise<void> {
  for (const path of [folder, join(folder, 'logs'), join(folder, 'pods')]) {
    await mkdir(path, { recursive: true })
    // Pods run as other users and must reach their own folders.
    await chmod(path, 0o711)
  }
}

/** Passes each warning on once: fifty pods that cannot read the checkout give fifty equal ones. */
function onceEach(onEvent: (event: KubeletEvent) => void): (event: KubeletEvent) => void {
  const said = new Set<string>()
  return (event) => {
    if (event.kind === 'warning') {
      if (said.has(event.message)) return
      said.add(event.message)
    }
    onEvent(event)
  }
}

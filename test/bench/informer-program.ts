import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { until } from '../../bed/processes/until.ts'
import type { loadKubeAccess as loadAccess } from '../../src/cluster/kube-access.ts'
import type { createKubeClients as createClients } from '../../src/cluster/kube-clients.ts'
import type { createPodInformer as createInformer } from '../../src/cluster/pod-informer.ts'
import { silent } from './bench-bed.ts'
import { answerCalls } from './bench-process.ts'

/** One informer alone in a process, of this checkout or another: how long its first list takes and what it keeps. */
export interface InformerFacts {
  readonly pods: number
  readonly listMs: number
  /** Of the heap, after a collection, more than before the list; each pod. */
  readonly bytesEach: number
}

export type InformerCalls = {
  measure(order: {
    readonly folder: string
    readonly kubeconfig: string
    readonly namespace: string
  }): Promise<InformerFacts>
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

async function measure({
  folder,
  kubeconfig,
  namespace,
}: Parameters<InformerCalls['measure']>[0]): Promise<InformerFacts> {
  const load = (path: string) => import(pathToFileURL(join(folder, path)).href)
  const { loadKubeAccess } = (await load('src/cluster/kube-access.ts')) as {
    loadKubeAccess: typeof loadAccess
  }
  const { createKubeClients } = (await load('src/cluster/kube-clients.ts')) as {
    createKubeClients: typeof createClients
  }
  const { createPodInformer } = (await load('src/cluster/pod-informer.ts')) as {
    createPodInformer: typeof createInformer
  }
  const clients = createKubeClients({ access: await loadKubeAccess({ KUBECONFIG: kubeconfig }) })
  const informer = createPodInformer({ transport: clients.transport, namespace, logger: silent })
  collect()
  const before = process.memoryUsage().heapUsed
  const began = performance.now()
  informer.start()
  await until('the first list', () => informer.synced())
  const listMs = Math.round(performance.now() - began)
  collect()
  const kept = process.memoryUsage().heapUsed - before
  const pods = informer.all().length
  await informer.stop()
  clients.close()
  return { pods, listMs, bytesEach: Math.round(kept / pods) }
}

answerCalls({ measure })

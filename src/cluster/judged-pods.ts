import { agentsNamespaceLabel } from '../domain/names.ts'
import { GreenroomError } from '../errors.ts'
import type { KubeTransport } from './kube-transport.ts'

/** Pods as the API server has them now, for judging them again. Every function throws GRN_KUBERNETES_UNAVAILABLE. */

/** As it is on the wire; nothing of a pod is decoded here. */
interface Page<T> {
  readonly metadata?: { readonly continue?: string }
  readonly items: readonly T[]
}

/** As many as client-go's pager asks for at a time: some 4 MB of pods. */
const pageSize = 500

/** Namespaces in which pods are judged. */
export async function listJudgedNamespaces(transport: KubeTransport): Promise<readonly string[]> {
  const query = new URLSearchParams({ labelSelector: `${agentsNamespaceLabel}=enabled` })
  const { items } = await read<Page<{ metadata: { name: string } }>>(
    transport,
    `/api/v1/namespaces?${query.toString()}`,
  )
  return items.map(({ metadata }) => metadata.name)
}

/** Every pod of the namespace that has not ended, page by page: one page is in memory at a time. */
export async function* livePods(transport: KubeTransport, namespace: string): AsyncGenerator<unknown[]> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`
  let next: string | undefined
  do {
    const query = new URLSearchParams({
      fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
      limit: String(pageSize),
    })
    if (next) query.set('continue', next)
    const page: Page<unknown> = await read(transport, `${path}?${query.toString()}`)
    yield [...page.items]
    next = page.metadata?.continue
  } while (next)
}

/** One pod. */
export async function readPod(transport: KubeTransport, namespace: string, name: string): Promise<unknown> {
  return read(
    transport,
    `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`,
  )
}

async function read<T>(transport: KubeTransport, path: string): Promise<T> {
  try {
    return await transport.getJson<T>(path)
  } catch (error) {
    throw new GreenroomError('GRN_KUBERNETES_UNAVAILABLE', `${(error as Error).message}.`, { cause: error })
  }
}

import type { V1Pod } from '@kubernetes/client-node'
import { type AgentPod, agentPodFrom } from '../domain/agent-pod.ts'
import { label } from '../domain/names.ts'
import { GreenroomError } from '../errors.ts'
import type { KubeTransport } from './kube-transport.ts'

/** As many as client-go's pager asks for at a time. */
const pageSize = 500

/** As it is on the wire; the generated type has its own name for `continue`. */
interface PodPage {
  readonly metadata?: { readonly continue?: string }
  readonly items: readonly V1Pod[]
}

/** The pods of all pools as the API server has them at this moment; no cache answers. Throws GRN_KUBERNETES_UNAVAILABLE. */
export async function listPods(transport: KubeTransport, namespace: string): Promise<readonly AgentPod[]> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`
  const found: V1Pod[] = []
  let next: string | undefined
  try {
    do {
      const query = new URLSearchParams({ labelSelector: `${label.managed}=true`, limit: String(pageSize) })
      if (next) query.set('continue', next)
      const page = await transport.getJson<PodPage>(`${path}?${query.toString()}`)
      found.push(...page.items)
      next = page.metadata?.continue
    } while (next)
  } catch (error) {
    throw new GreenroomError('GRN_KUBERNETES_UNAVAILABLE', undefined, { cause: error })
  }
  return found.flatMap((pod) => agentPodFrom(pod) ?? [])
}

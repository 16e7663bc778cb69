import type { V1Pod } from '@kubernetes/client-node'
import { type AgentPod, keyIdsOf } from '../domain/agent-pod.ts'
import { agentsNamespaceLabel, label } from '../domain/names.ts'
import { GreenroomError } from '../errors.ts'
import { apiPath } from './api-path.ts'
import { orUnavailable, unlessMissing } from './kube-api-error.ts'
import type { KubeClients } from './kube-clients.ts'
import type { KubeTransport } from './kube-transport.ts'
import { listPages } from './list-pages.ts'
import { seenAgentPod } from './spec-digest.ts'

/** Pods as the API server has them now; no cache answers. Every function throws GRN_KUBERNETES_UNAVAILABLE. */

/** Namespaces in which pods are judged. */
export async function judgedNamespaces({ core }: Pick<KubeClients, 'core'>): Promise<readonly string[]> {
  const { items } = await orUnavailable(
    core.listNamespace({ labelSelector: `${agentsNamespaceLabel}=enabled` }),
  )
  return items.flatMap(({ metadata }) => metadata?.name ?? [])
}

/** Every pod of the namespace that has not ended, page by page, as raw JSON: these are judged again. */
export async function* livePods(
  transport: KubeTransport,
  namespace: string,
): AsyncGenerator<readonly unknown[]> {
  const path = apiPath({ resource: 'pods', namespace })
  const fieldSelector = 'status.phase!=Succeeded,status.phase!=Failed'
  const pages = listPages({ transport, path, fieldSelector })
  for (;;) {
    const page = await orUnavailable(pages.next())
    if (page.done) return
    yield page.value.items
  }
}

interface AnnotatedObject {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> }
}

/** The ids of assign keys that each pod of the namespace lists, in any phase; pods that list none are left out. */
export async function listedKeyIds(
  transport: KubeTransport,
  namespace: string,
): Promise<readonly (readonly string[])[]> {
  const pages = listPages<AnnotatedObject>({ transport, path: apiPath({ resource: 'pods', namespace }) })
  const listed: (readonly string[])[] = []
  for (;;) {
    const page = await orUnavailable(pages.next())
    if (page.done) return listed
    for (const { metadata } of page.value.items) {
      const ids = keyIdsOf(metadata?.annotations ?? {})
      if (ids.length > 0) listed.push(ids)
    }
  }
}

/** One pod as raw JSON, to be judged. */
export async function readPod(transport: KubeTransport, namespace: string, name: string): Promise<unknown> {
  const pod = await orUnavailable(
    unlessMissing(transport.getJson(apiPath({ resource: 'pods', namespace, name }))),
  )
  if (pod === undefined)
    throw new GreenroomError('GRN_POD_NOT_FOUND', `There is no pod ${namespace}/${name}.`)
  return pod
}

/** The pods of all pools, as the informer would show them and as the API has them. */
export async function pooledPodObjects(
  transport: KubeTransport,
  namespace: string,
): Promise<readonly { readonly pod: AgentPod; readonly object: V1Pod }[]> {
  const path = apiPath({ resource: 'pods', namespace })
  const pages = listPages<V1Pod>({ transport, path, labelSelector: `${label.managed}=true` })
  const found = await orUnavailable(Array.fromAsync(pages))
  const objects = found.flatMap(({ items }) => items)
  return objects.flatMap((object) => {
    const pod = seenAgentPod(object)
    return pod ? [{ pod, object }] : []
  })
}

/** The pods of all pools, seen as the informer sees them. */
export async function pooledPods(transport: KubeTransport, namespace: string): Promise<readonly AgentPod[]> {
  return (await pooledPodObjects(transport, namespace)).map(({ pod }) => pod)
}

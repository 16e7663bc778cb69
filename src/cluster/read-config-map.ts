import { GreenroomError } from '../errors.ts'
import { hasStatus } from './kube-api-error.ts'
import type { KubeTransport } from './kube-transport.ts'

interface ConfigMapKey {
  readonly namespace: string
  readonly name: string
  readonly key: string
}

/** The text of one key now; undefined if there is no such ConfigMap or key. Throws GRN_KUBERNETES_UNAVAILABLE. */
export async function readConfigMapKey(
  transport: KubeTransport,
  { namespace, name, key }: ConfigMapKey,
): Promise<string | undefined> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps/${encodeURIComponent(name)}`
  try {
    const { data } = await transport.getJson<{ data?: Record<string, string> }>(path)
    return data?.[key]
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    throw new GreenroomError(
      'GRN_KUBERNETES_UNAVAILABLE',
      `ConfigMap ${namespace}/${name} could not be read: ${(error as Error).message}.`,
      { cause: error },
    )
  }
}

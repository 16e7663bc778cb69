import type { PublicKeySet } from '../domain/cluster-ports.ts'
import { configMapKey, configMapName } from '../domain/names.ts'
import { unlessMissing } from './kube-api-error.ts'
import type { KubeClients } from './kube-clients.ts'

interface PublicKeySetOptions {
  readonly clients: Pick<KubeClients, 'core'>
  readonly namespace: string
}

/** ConfigMap `greenroom-assign-keys`, read from the API server and replaced by compare-and-set. */
export function createPublicKeySet({ clients: { core }, namespace }: PublicKeySetOptions): PublicKeySet {
  const name = configMapName.assignKeys
  return {
    async read() {
      const body = await unlessMissing(core.readNamespacedConfigMap({ name, namespace }))
      const text = body?.data?.[configMapKey.assignKeys]
      if (!body || text === undefined) return undefined
      const { uid } = body.metadata ?? {}
      return {
        text,
        uid,
        async replace(next) {
          // Its resourceVersion is the one that was read: a set that changed meanwhile is a conflict.
          const data = { ...body.data, [configMapKey.assignKeys]: next }
          await core.replaceNamespacedConfigMap({ name, namespace, body: Object.assign({}, body, { data }) })
        },
      }
    },
  }
}

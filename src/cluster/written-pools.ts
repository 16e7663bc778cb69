import type { V1ConfigMap } from '@kubernetes/client-node'
import { configMapKey, configMapName } from '../domain/names.ts'
import type { WrittenPoolsStore } from '../domain/pool-change.ts'
import { GreenroomError } from '../errors.ts'
import { hasStatus, KubeApiError, unlessMissing } from './kube-api-error.ts'
import type { KubeClients } from './kube-clients.ts'

interface WrittenPoolsOptions {
  readonly core: Pick<KubeClients['core'], 'readNamespacedConfigMap' | 'replaceNamespacedConfigMap'>
  readonly namespace: string
}

/** Shown as the manager of the field to those who apply the ConfigMap afterwards. */
const fieldManager = 'greenroom-api'

/** ConfigMap `agent-pools`, read and replaced by compare-and-set on its resourceVersion. What else is in it stays. */
export function createWrittenPools({ core, namespace }: WrittenPoolsOptions): WrittenPoolsStore {
  const name = configMapName.pools
  const read = (): Promise<V1ConfigMap | undefined> =>
    unlessMissing(core.readNamespacedConfigMap({ name, namespace })).catch(asGreenroomError)
  return {
    async read() {
      const found = await read()
      const text = found?.data?.[configMapKey.pools]
      return text === undefined
        ? undefined
        : { text, resourceVersion: found?.metadata?.resourceVersion ?? '' }
    },
    async replace({ resourceVersion }, text, { dryRun }) {
      const there = await read()
      if (there?.metadata?.resourceVersion !== resourceVersion)
        throw new GreenroomError('GRN_DOCUMENT_CHANGED')
      const body: V1ConfigMap = Object.assign({}, there, {
        data: { ...there.data, [configMapKey.pools]: text },
      })
      const written = await core
        .replaceNamespacedConfigMap({
          name,
          namespace,
          body,
          fieldManager,
          ...(dryRun && { dryRun: 'All' }),
        })
        .catch(asGreenroomError)
      return written.metadata?.resourceVersion ?? ''
    },
  }
}

function asGreenroomError(error: unknown): never {
  if (!(error instanceof KubeApiError)) throw error
  if (hasStatus(error, 404, 409))
    throw new GreenroomError('GRN_DOCUMENT_CHANGED', undefined, { cause: error })
  // Of the API server's 403s, one is of RBAC and the other of a webhook that says what is wrong with the document.
  if (hasStatus(error, 400, 403, 422) && /admission webhook|denied the request/.test(error.message))
    throw new GreenroomError('GRN_INVALID_POOLS', `${error.message.replace(/\.$/, '')}.`, { cause: error })
  if (hasStatus(error, 401, 403))
    throw new GreenroomError(
      'GRN_POOLS_READ_ONLY',
      'The session server has no right to change ConfigMap agent-pools.',
      { cause: error },
    )
  throw new GreenroomError('GRN_KUBERNETES_UNAVAILABLE', undefined, { cause: error, retryAfterMs: 1_000 })
}

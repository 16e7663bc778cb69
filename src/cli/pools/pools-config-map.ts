import { loadKubeAccess } from '../../cluster/kube-access.ts'
import { KubeApiError } from '../../cluster/kube-api-error.ts'
import { createKubeTransport, type KubeTransport } from '../../cluster/kube-transport.ts'
import { configMapKey, configMapName } from '../../domain/names.ts'
import { type ErrorCode, GreenroomError } from '../../errors.ts'
import type { ServerValues } from '../line/shared-options.ts'
import { clusterConfig, knowsCluster } from '../reach/cluster-config.ts'

interface ConfigMap {
  readonly metadata?: { readonly resourceVersion?: string }
  readonly data?: Readonly<Record<string, string>>
}

/** The document of all pools, as it was read. */
interface PoolsText {
  readonly text: string
  readonly resourceVersion: string
}

/** ConfigMap agent-pools, read and written with the rights of the user's kubeconfig. */
export interface PoolsConfigMap extends Disposable {
  readonly name: string
  read(): Promise<PoolsText>
  /** Only if nobody changed it since it was read; a dry run goes through admission and writes nothing. */
  write(before: PoolsText, text: string, options: { readonly isDryRun: boolean }): Promise<void>
}

/** @throws GreenroomError GRN_INVALID_CONFIG when no kubeconfig leads to a cluster */
export async function openPoolsConfigMap(options: ServerValues): Promise<PoolsConfigMap> {
  const config = clusterConfig(options)
  if (!knowsCluster(config))
    throw new GreenroomError(
      'GRN_INVALID_CONFIG',
      'The cluster is asked with a kubeconfig: --kubeconfig or KUBECONFIG.',
    )
  const transport = createKubeTransport(await loadKubeAccess(config, options))
  const namespace = config.GREENROOM_NAMESPACE
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps/${configMapName.pools}`
  const name = `ConfigMap ${namespace}/${configMapName.pools}`
  return {
    name,
    read: () => read(transport, path, name),
    write: (before, text, { isDryRun }) => {
      const metadata = { resourceVersion: before.resourceVersion }
      const body = JSON.stringify({ metadata, data: { [configMapKey.pools]: text } })
      const headers = { 'content-type': 'application/merge-patch+json' }
      const query = isDryRun ? '?dryRun=All&fieldManager=greenroom-cli' : '?fieldManager=greenroom-cli'
      return transport
        .send({ method: 'PATCH', path: `${path}${query}`, headers, body })
        .then(() => undefined)
        .catch((error: unknown) => refuse(error, `${name} was not written`))
    },
    [Symbol.dispose]: () => transport.close(),
  }
}

async function read(transport: KubeTransport, path: string, name: string): Promise<PoolsText> {
  const { metadata, data } = await transport
    .getJson<ConfigMap>(path)
    .catch((error: unknown) => refuse(error, `${name} could not be read`))
  return { text: data?.[configMapKey.pools] ?? '', resourceVersion: metadata?.resourceVersion ?? '' }
}

const codes: Readonly<Record<number, ErrorCode>> = {
  401: 'GRN_CLUSTER_FORBIDDEN',
  403: 'GRN_CLUSTER_FORBIDDEN',
  404: 'GRN_SERVER_NOT_FOUND',
  409: 'GRN_DOCUMENT_CHANGED',
}

function refuse(error: unknown, what: string): never {
  if (!(error instanceof KubeApiError)) throw error
  const { status, message } = error
  const known = codes[status ?? 0]
  const isRefusal = status !== undefined && status >= 400 && status < 500
  // Admission says in its own words what is wrong with a document, whatever status it gives.
  const isAdmission = /admission webhook/.test(message)
  const code = isAdmission
    ? 'GRN_DOCUMENT_REFUSED'
    : (known ?? (isRefusal ? 'GRN_DOCUMENT_REFUSED' : 'GRN_KUBERNETES_UNAVAILABLE'))
  throw new GreenroomError(code, `${what}: ${message.replace(/\.?$/, '.')}`, { cause: error })
}

import type { SecretContent, SecretStore } from '../certificates/certificate-stores.ts'
import { hasStatus, KubeApiError } from './kube-api-error.ts'
import type { KubeTransport } from './kube-transport.ts'

interface CertificateSecretOptions {
  readonly transport: KubeTransport
  readonly namespace: string
  readonly name: string
  /** Under which our fields stand in managedFields. */
  readonly fieldManager: string
}

interface RawSecret {
  readonly metadata?: { readonly resourceVersion?: string }
  readonly data?: Readonly<Record<string, string>>
}

/**
 * One Secret, written by server-side apply. RBAC can bind a create to a name only when the name is in the request's
 * path, and a POST has none: applied, the Secret is created under a right that covers this Secret alone.
 */
export function createCertificateSecret(options: CertificateSecretOptions): SecretStore {
  const { transport, namespace, name, fieldManager } = options
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets/${encodeURIComponent(name)}`

  const applied = (fields: object, manager: string, version?: string): Promise<RawSecret> => {
    const metadata = { name, namespace, ...(version !== undefined && { resourceVersion: version }) }
    const object = { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata, ...fields }
    return transport.applyJson<RawSecret>(path, object, manager)
  }

  /** An apply cannot say "only if there is none": an empty one under another name takes nothing from anybody. */
  const create = async (): Promise<string | undefined> => {
    const { data, metadata } = await applied({}, `${fieldManager}-creation`)
    if (data !== undefined)
      throw new KubeApiError(`Secret ${namespace}/${name} was written meanwhile`, { status: 409 })
    return metadata?.resourceVersion
  }

  return {
    async read(): Promise<SecretContent> {
      try {
        const { metadata, data = {} } = await transport.getJson<RawSecret>(path)
        return {
          version: metadata?.resourceVersion,
          data: Object.fromEntries(
            Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
          ),
        }
      } catch (error) {
        if (hasStatus(error, 404)) return { version: undefined, data: {} }
        throw error
      }
    },
    async write(data, version) {
      const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])
      await applied({ data: Object.fromEntries(encoded) }, fieldManager, version ?? (await create()))
    },
  }
}

import type { V1Secret } from '@kubernetes/client-node'
import type { SecretContent, SecretStore } from '../certificates/certificate-stores.ts'
import { KubeApiError, unlessMissing } from './kube-api-error.ts'
import { asApply, type KubeClients } from './kube-clients.ts'

interface CertificateSecretOptions {
  readonly clients: Pick<KubeClients, 'core'>
  readonly namespace: string
  readonly name: string
  /** Under which our fields stand in managedFields. */
  readonly fieldManager: string
}

/** One Secret, written by server-side apply. */
export function createCertificateSecret(options: CertificateSecretOptions): SecretStore {
  const { namespace, name, fieldManager } = options
  const { core } = options.clients

  const applied = (
    fields: Pick<V1Secret, 'data'>,
    manager: string,
    resourceVersion?: string,
  ): Promise<V1Secret> => {
    const metadata = { name, namespace, ...(resourceVersion !== undefined && { resourceVersion }) }
    const body: V1Secret = { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata, ...fields }
    return core.patchNamespacedSecret({ name, namespace, body, fieldManager: manager, force: true }, asApply)
  }

  /** An apply cannot say "only if there is none". An empty one under another name takes nothing from anybody. */
  const create = async (): Promise<string | undefined> => {
    const { data, metadata } = await applied({}, `${fieldManager}-creation`)
    if (data !== undefined)
      throw new KubeApiError(`Secret ${namespace}/${name} was written meanwhile`, { status: 409 })
    return metadata?.resourceVersion
  }

  return {
    async read(): Promise<SecretContent> {
      const found = await unlessMissing(core.readNamespacedSecret({ name, namespace }))
      return { version: found?.metadata?.resourceVersion, data: eachValue(found?.data ?? {}, fromBase64) }
    },
    async write(data, version) {
      await applied({ data: eachValue(data, toBase64) }, fieldManager, version ?? (await create()))
    },
  }
}

function eachValue(data: Readonly<Record<string, string>>, change: (value: string) => string) {
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, change(value)]))
}

function fromBase64(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8')
}

function toBase64(text: string): string {
  return Buffer.from(text).toString('base64')
}

import type { TrustStore } from '../certificates/certificate-stores.ts'
import { hasStatus } from './kube-api-error.ts'
import type { KubeTransport } from './kube-transport.ts'

export type WebhookConfigurationKind = 'mutating' | 'validating'

export interface WebhookConfigurationName {
  readonly kind: WebhookConfigurationKind
  readonly name: string
}

interface WebhookTrustOptions {
  readonly transport: KubeTransport
  readonly configurations: readonly WebhookConfigurationName[]
  /** Under which `caBundle`, and nothing else, is ours in managedFields. */
  readonly fieldManager: string
}

interface RawConfiguration {
  readonly metadata?: { readonly resourceVersion?: string }
  readonly webhooks?: readonly {
    readonly name: string
    readonly clientConfig?: { readonly caBundle?: string }
  }[]
}

/** One webhook of one configuration, and the version in which it was read. */
export interface WebhookTrustEntry {
  readonly configuration: string
  readonly webhook: string
  readonly bundle: string
  readonly version: string | undefined
}

const apiKind = {
  mutating: 'MutatingWebhookConfiguration',
  validating: 'ValidatingWebhookConfiguration',
} as const satisfies Record<WebhookConfigurationKind, string>

/** Address of the collection that a configuration is in. */
export function configurationsPath(kind: WebhookConfigurationKind): string {
  return `/apis/admissionregistration.k8s.io/v1/${apiKind[kind].toLowerCase()}s`
}

/**
 * `caBundle` of every entry of the webhook configurations. `webhooks` is a list keyed by name: an apply that has the
 * name and the bundle of each entry leaves the rest to whoever owns it. It carries the version that was read, because an
 * entry that is gone would otherwise come back, with nothing but a bundle, and be refused.
 */
export function createWebhookTrust(options: WebhookTrustOptions): TrustStore<WebhookTrustEntry> {
  const { transport, configurations, fieldManager } = options
  const pathOf = ({ kind, name }: WebhookConfigurationName): string =>
    `${configurationsPath(kind)}/${encodeURIComponent(name)}`

  const readOne = async (configuration: WebhookConfigurationName): Promise<WebhookTrustEntry[]> => {
    try {
      const { metadata, webhooks = [] } = await transport.getJson<RawConfiguration>(pathOf(configuration))
      return webhooks.map(({ name, clientConfig }) => ({
        configuration: titleOf(configuration),
        webhook: name,
        bundle: Buffer.from(clientConfig?.caBundle ?? '', 'base64').toString('utf8'),
        version: metadata?.resourceVersion,
      }))
    } catch (error) {
      if (hasStatus(error, 404)) return []
      throw error
    }
  }

  return {
    async read() {
      return (await Promise.all(configurations.map(readOne))).flat()
    },
    async publish(entries, bundle) {
      const caBundle = Buffer.from(bundle).toString('base64')
      for (const configuration of configurations) {
        const own = entries.filter((entry) => entry.configuration === titleOf(configuration))
        if (own.length === 0) continue
        const object = {
          apiVersion: 'admissionregistration.k8s.io/v1',
          kind: apiKind[configuration.kind],
          metadata: { name: configuration.name, resourceVersion: own[0]?.version },
          webhooks: own.map(({ webhook }) => ({ name: webhook, clientConfig: { caBundle } })),
        }
        await transport.applyJson(pathOf(configuration), object, fieldManager)
      }
    },
  }
}

function titleOf({ kind, name }: WebhookConfigurationName): string {
  return `${kind}/${name}`
}

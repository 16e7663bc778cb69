import type { TrustStore } from '../certificates/certificate-stores.ts'
import { unlessMissing } from './kube-api-error.ts'
import { asApply, type KubeClients } from './kube-clients.ts'

export interface WebhookConfigurationName {
  readonly kind: 'mutating' | 'validating'
  readonly name: string
}

interface WebhookTrustOptions {
  readonly clients: Pick<KubeClients, 'admissionRegistration'>
  readonly configurations: readonly WebhookConfigurationName[]
  /** Under which `caBundle`, and nothing else, is ours in managedFields. */
  readonly fieldManager: string
}

/** One webhook of one configuration, and the version in which it was read. */
interface WebhookTrustEntry {
  readonly configuration: string
  readonly webhook: string
  readonly bundle: string
  readonly version: string | undefined
}

/**
 * `caBundle` of every entry of the webhook configurations. `webhooks` is a list keyed by name: an apply that has the
 * name and the bundle of each entry leaves the rest to whoever owns it. It carries the version that was read. Without
 * it, an entry that was removed meanwhile would come back with nothing but a bundle, and be refused.
 */
export function createWebhookTrust(options: WebhookTrustOptions): TrustStore<WebhookTrustEntry> {
  const { configurations, fieldManager } = options
  const calls = callsOf(options.clients)

  const readOne = async (configuration: WebhookConfigurationName): Promise<WebhookTrustEntry[]> => {
    const found = await unlessMissing(calls[configuration.kind].read({ name: configuration.name }))
    return (found?.webhooks ?? []).map(({ name, clientConfig }) => ({
      configuration: titleOf(configuration),
      webhook: name,
      bundle: Buffer.from(clientConfig?.caBundle ?? '', 'base64').toString('utf8'),
      version: found?.metadata?.resourceVersion,
    }))
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
        const { kind, name } = configuration
        const body = {
          apiVersion: 'admissionregistration.k8s.io/v1',
          kind: calls[kind].kind,
          metadata: { name, resourceVersion: own[0]?.version },
          webhooks: own.map(({ webhook }) => ({ name: webhook, clientConfig: { caBundle } })),
        }
        await calls[kind].patch({ name, body, fieldManager, force: true }, asApply)
      }
    },
  }
}

/** client-node has methods of their own for the two kinds, alike but for their names. */
function callsOf({ admissionRegistration: api }: WebhookTrustOptions['clients']) {
  return {
    mutating: {
      kind: 'MutatingWebhookConfiguration',
      read: api.readMutatingWebhookConfiguration.bind(api),
      patch: api.patchMutatingWebhookConfiguration.bind(api),
    },
    validating: {
      kind: 'ValidatingWebhookConfiguration',
      read: api.readValidatingWebhookConfiguration.bind(api),
      patch: api.patchValidatingWebhookConfiguration.bind(api),
    },
  } as const
}

function titleOf({ kind, name }: WebhookConfigurationName): string {
  return `${kind}/${name}`
}

import { ApiException, type CoreV1Api } from '@kubernetes/client-node'

/** What kube-controller-manager does for namespaces in a cluster; none runs in the bed. */
interface NamespaceCare {
  /** Idempotent; the labels of an existing namespace are left alone. */
  createNamespace(name: string, labels?: Readonly<Record<string, string>>): Promise<void>
  /** With its namespace, if that is missing. Idempotent. */
  createServiceAccount(account: { readonly namespace: string; readonly name: string }): Promise<void>
  /** Gives every namespace there is its ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`. */
  ensureDefaults(): Promise<void>
}

export function createNamespaceCare(api: CoreV1Api, rootCaPem: string): NamespaceCare {
  const cared = new Set<string>()

  async function ensureDefaultsOf(namespace: string): Promise<void> {
    if (cared.has(namespace)) return
    await unlessThere(
      api.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'default' } } }),
    )
    const body = { metadata: { name: 'kube-root-ca.crt' }, data: { 'ca.crt': rootCaPem } }
    await unlessThere(api.createNamespacedConfigMap({ namespace, body }))
    cared.add(namespace)
  }

  async function createNamespace(name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    await unlessThere(api.createNamespace({ body: { metadata: { name, labels: { ...labels } } } }))
    await ensureDefaultsOf(name)
  }

  return {
    createNamespace,
    createServiceAccount: async ({ namespace, name }) => {
      await createNamespace(namespace)
      await unlessThere(api.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } }))
    },
    ensureDefaults: async () => {
      // The API server makes this one itself, a moment after it is ready.
      await createNamespace('default')
      const { items } = await api.listNamespace()
      for (const { metadata, status } of items) {
        if (metadata?.name && status?.phase !== 'Terminating') await ensureDefaultsOf(metadata.name)
      }
    },
  }
}

async function unlessThere(creation: Promise<unknown>): Promise<void> {
  try {
    await creation
  } catch (error) {
    if (!(error instanceof ApiException) || error.code !== 409) throw error
  }
}

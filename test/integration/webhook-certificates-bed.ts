import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { parse, stringify } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { webhookInstallation } from '../../bed/replicas/installation.ts'
import { startWebhookReplicas, type WebhookReplicas } from '../../bed/replicas/webhook-replicas.ts'
import { root } from '../../bed/repository.ts'
import { startControlPlane } from '../../bed/servers/control-plane.ts'
import { authoritiesIn, isSignedBy } from '../../src/certificates/certificate-facts.ts'
import { makeCertificate } from '../../src/certificates/make-certificate.ts'
import { createCertificateSecret } from '../../src/cluster/certificate-secret.ts'
import { loadKubeAccess } from '../../src/cluster/kube-access.ts'
import { createKubeClients } from '../../src/cluster/kube-clients.ts'
import { createWebhookTrust } from '../../src/cluster/webhook-trust.ts'
import { createPodDryRun } from '../support/pod-storm.ts'

/** The API server, replicas of the webhook that keep their own certificates, and a look at what they have written. */

export const hourMs = 3_600_000

/** Lives long enough for an hour's skew; looks often enough for a test. */
export const longLives = {
  GREENROOM_WEBHOOK_CA_SECONDS: '86400',
  GREENROOM_WEBHOOK_LEAF_SECONDS: '14400',
  GREENROOM_WEBHOOK_TRUST_SECONDS: '1',
  GREENROOM_WEBHOOK_CERTIFICATE_POLL_MS: '300',
}

export async function startCertificatesBed(t: Test) {
  const folder = await temporaryFolder('webhook-certs')
  const plane = await startControlPlane({ folder: folder.path })
  const clients = createKubeClients({ access: await loadKubeAccess({ KUBECONFIG: plane.kubeconfigPath }) })
  t.teardown(async () => {
    clients.close()
    await plane.stop()
    await folder.remove()
  })
  await plane.apply(webhookInstallation)
  const secret = createCertificateSecret({
    clients,
    namespace: 'greenroom-system',
    name: 'agent-webhook-certificates',
    fieldManager: 'somebody-else',
  })
  const trust = createWebhookTrust({
    clients,
    configurations: kinds.map((kind) => ({ kind, name: 'agent-webhook' })),
    fieldManager: 'somebody-else',
  })
  const deleteSecret = async (): Promise<void> => {
    const name = ['agent-webhook-certificates', '-n', 'greenroom-system']
    await plane.kubectl(['delete', 'secret', ...name, '--ignore-not-found'])
  }
  const look = async (): Promise<Seen> => {
    const [{ data }, entries] = await Promise.all([secret.read(), trust.read()])
    return {
      ca: certificateIn(data['ca.crt']),
      leaf: certificateIn(data['tls.crt']),
      bundles: entries.map(({ bundle }) => authoritiesIn(bundle)),
    }
  }

  return {
    plane,
    clients,
    transport: clients.transport,
    secret,
    deleteSecret,
    look,
    /** A replica for each clock; with the test go their configurations and certificates too. */
    startAll: async (t: Test, clocksMs: readonly number[], env: Readonly<Record<string, string>>) => {
      const replicas = await startWebhookReplicas({ plane, folder: folder.path, clocksMs, env })
      t.teardown(async () => {
        await replicas.stop()
        for (const kind of kinds) {
          await plane.kubectl([
            'delete',
            `${kind}webhookconfiguration`,
            'agent-webhook',
            '--ignore-not-found',
          ])
        }
        await deleteSecret()
      })
      return replicas
    },
    applyConfigurations: async (manifests: readonly object[]): Promise<void> => {
      const input = manifests.map((manifest) => stringify(manifest)).join('---\n')
      const { code, stderr } = await plane.kubectl(['apply', '-f', '-'], { input })
      if (code !== 0) throw new Error(stderr)
    },
    untilAdmitted: () =>
      until('a pod to be admitted', async () => (await createPodDryRun(clients)) === '', 40_000),
    untilComplete: (authorities: number, timeoutMs = 30_000) =>
      until(
        `a leaf that every entry trusts, of ${authorities} authorities`,
        async () => {
          const seen = await look()
          return isComplete(seen, authorities) ? seen : undefined
        },
        timeoutMs,
      ),
    putDueAuthority: async (): Promise<void> => {
      await deleteSecret()
      await secret.write(await dueAuthority(), undefined)
    },
  }
}

const kinds = ['mutating', 'validating'] as const

interface Manifest {
  readonly kind: string
  readonly webhooks: { clientConfig: { service?: { path: string }; url?: string; caBundle?: string } }[]
}

const shippedManifests = (): Promise<Manifest[]> =>
  Promise.all(
    kinds.map(async (kind) => {
      const path = join(root, `manifests/base/webhook/${kind}-webhook-configuration.yaml`)
      return parse(await readFile(path, 'utf8')) as Manifest
    }),
  )

/** The configurations of the manifests, without a bundle, pointed at the balancer. */
export async function configurationManifests(replicas: WebhookReplicas): Promise<Manifest[]> {
  const manifests = await shippedManifests()
  const { port } = new URL(replicas.balancer.url)
  for (const { clientConfig } of manifests.flatMap(({ webhooks }) => webhooks)) {
    clientConfig.url = `https://127.0.0.1:${port}${clientConfig.service?.path}`
    delete clientConfig.service
  }
  return manifests
}

/** Entries in both configurations of the manifests. */
const entryCount = (await shippedManifests()).reduce((sum, { webhooks }) => sum + webhooks.length, 0)

export interface Seen {
  readonly ca: X509Certificate | undefined
  readonly leaf: X509Certificate | undefined
  /** Of every entry. */
  readonly bundles: readonly (readonly X509Certificate[])[]
}

function certificateIn(pem: string | undefined): X509Certificate | undefined {
  try {
    return new X509Certificate(pem ?? '')
  } catch {
    return undefined
  }
}

/** The leaf is of the CA, every entry trusts this CA first, and as many as given in all. */
export function isComplete({ ca, leaf, bundles }: Seen, authorities: number): boolean {
  return (
    ca !== undefined &&
    leaf !== undefined &&
    isSignedBy(leaf, ca) &&
    bundles.length === entryCount &&
    bundles.every(
      (bundle) => bundle.length === authorities && bundle[0]?.fingerprint256 === ca.fingerprint256,
    )
  )
}

/** An authority eight months old, which is past two thirds of its life, and a leaf of it that is fresh. */
async function dueAuthority(): Promise<Record<string, string>> {
  const nowMs = Date.now()
  const authority = await makeCertificate({
    kind: 'authority',
    name: 'an old authority',
    notBeforeMs: nowMs - 250 * 24 * hourMs,
    notAfterMs: nowMs + 100 * 24 * hourMs,
  })
  const names = [
    'agent-webhook.greenroom-system.svc',
    'agent-webhook.greenroom-system.svc.cluster.local',
    '127.0.0.1',
  ]
  const times = { notBeforeMs: nowMs - hourMs, notAfterMs: nowMs + 24 * hourMs }
  const leaf = await makeCertificate({ kind: 'leaf', authority, names, ...times })
  return { 'ca.crt': authority.cert, 'ca.key': authority.key, 'tls.crt': leaf.cert, 'tls.key': leaf.key }
}

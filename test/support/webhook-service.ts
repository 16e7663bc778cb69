import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { type Balancer, startBalancer } from '../../bed/replicas/balancer.ts'
import { type RoleProcess, startRole } from '../../bed/replicas/role-process.ts'
import { root } from '../../bed/repository.ts'
import { type ControlPlane, startControlPlane } from '../../bed/servers/control-plane.ts'
import { freePort } from '../../bed/servers/free-port.ts'
import { until } from '../../bed/until.ts'
import { assignKeyManifests } from '../../src/cli/assign-key.ts'
import { webhookUsername } from '../../src/domain/names.ts'
import { webhookInstallation } from './webhook-installation.ts'

/** Real API server, and webhook processes with the identity and policy of the manifests behind a balancer. */
export interface WebhookService {
  readonly plane: ControlPlane
  readonly balancer: Balancer
  readonly replicas: readonly RoleProcess[]
  readonly urls: readonly string[]
  stop(): Promise<void>
}

interface ReplicaOptions {
  readonly folder: string
  readonly replicas: number
  readonly env?: Readonly<Record<string, string>>
}

export async function startWebhookService(options: ReplicaOptions): Promise<WebhookService> {
  const undo: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const plane = await startControlPlane({
      folder: options.folder,
      webhookManifests: [join(root, 'manifests/base/webhook')],
    })
    undo.push(() => plane.stop())
    await plane.apply(webhookInstallation)
    await provideKeys(plane)
    const { certPath, keyPath } = plane.webhook
    const env = {
      GREENROOM_HOST: '127.0.0.1',
      KUBECONFIG: await plane.kubeconfigFor(webhookUsername),
      GREENROOM_WEBHOOK_CERT_FILE: certPath,
      GREENROOM_WEBHOOK_KEY_FILE: keyPath,
      ...options.env,
    }
    const replicas: RoleProcess[] = []
    const urls: string[] = []
    for (let n = 1; n <= options.replicas; n += 1) {
      const port = await freePort()
      const name = `webhook-${n}`
      const logPath = join(options.folder, `${name}.log`)
      const replica = await startRole({
        name,
        role: 'webhook',
        root,
        logPath,
        env: { ...env, GREENROOM_WEBHOOK_PORT: String(port) },
      })
      undo.push(() => replica.stop())
      replicas.push(replica)
      urls.push(`https://127.0.0.1:${port}`)
    }
    const balancer = await startBalancer({ backends: urls, port: plane.webhook.port })
    undo.push(() => balancer.stop())
    await until('all replicas to be ready', () => balancer.ready().length === options.replicas, 60_000)
    return { plane, balancer, replicas, urls, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function provideKeys(plane: ControlPlane): Promise<void> {
  const documents = parseAllDocuments(await assignKeyManifests({ namespace: 'ai-agents' }))
  const input = JSON.stringify(
    documents.map((document) => document.toJS()).find(({ kind }) => kind === 'ConfigMap'),
  )
  const { code, stderr } = await plane.kubectl(['create', '-f', '-'], { input })
  if (code !== 0) throw new Error(`the assign keys: ${stderr}`)
}

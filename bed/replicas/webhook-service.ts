import { until } from '../processes/until.ts'
import { type ControlPlane, startControlPlane } from '../servers/control-plane.ts'
import { freePort } from '../servers/free-port.ts'
import { type Balancer, startBalancer } from './balancer.ts'
import { provideAssignKeys, webhookInstallation, webhookManifests } from './installation.ts'
import type { RoleProcess } from './role-process.ts'
import { servingFiles, startWebhookProcess } from './webhook-process.ts'

/** The API server, and webhook processes with the identity and policy of the manifests behind a balancer. */
interface WebhookService {
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
    const { folder } = options
    const plane = await startControlPlane({ folder, webhookManifests, webhooksLater: true })
    undo.push(() => plane.stop())
    await plane.apply(webhookInstallation)
    await provideAssignKeys(plane)
    await plane.installWebhooks()
    const replicas: RoleProcess[] = []
    const urls: string[] = []
    for (let n = 1; n <= options.replicas; n += 1) {
      const port = await freePort()
      const env = { ...servingFiles(plane), ...options.env }
      const replica = await startWebhookProcess({ plane, name: `webhook-${n}`, folder, port, env })
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

import { join } from 'node:path'
import { CoordinationV1Api } from '@kubernetes/client-node'
import { until } from '../processes/until.ts'
import type { ControlPlane } from '../servers/control-plane.ts'
import { freePort } from '../servers/free-port.ts'
import { type Balancer, startBalancer } from './balancer.ts'
import type { RoleProcess } from './role-process.ts'
import { startWebhookProcess } from './webhook-process.ts'

/**
 * Replicas of the webhook that make and renew their own certificates, as the Deployment of the manifests does, behind a
 * balancer in place of the Service. Each can have a wrong clock.
 */
export interface WebhookReplicas {
  readonly balancer: Balancer
  readonly roles: readonly RoleProcess[]
  /** `https://host:port` of each, in the order of `roles`. */
  readonly urls: readonly string[]
  /** The replica that holds the Lease; waits until one of these does. */
  leader(): Promise<RoleProcess>
  allReady(timeoutMs?: number): Promise<void>
  stop(): Promise<void>
}

export interface ReplicaOptions {
  readonly plane: ControlPlane
  readonly folder: string
  /** One replica each: how far its wall clock is ahead, ms. */
  readonly clocksMs: readonly number[]
  readonly env: Readonly<Record<string, string>>
}

const shiftedClock = join(import.meta.dirname, 'shifted-clock.ts')
/** Names stay unique over all replicas of a test file, and with them the holders of the Lease. */
let started = 0

export async function startWebhookReplicas(options: ReplicaOptions): Promise<WebhookReplicas> {
  const { plane, folder } = options
  const urls: string[] = []
  const roles: RoleProcess[] = []
  for (const clockMs of options.clocksMs) {
    started += 1
    const port = await freePort()
    urls.push(`https://127.0.0.1:${port}`)
    roles.push(
      await startWebhookProcess({
        plane,
        name: `webhook-${started}`,
        folder,
        port,
        nodeArgs: clockMs === 0 ? [] : ['--import', shiftedClock],
        env: {
          GREENROOM_WEBHOOK_CERTIFICATES: 'built-in',
          GREENROOM_WEBHOOK_NAMES: '127.0.0.1',
          GREENROOM_TEST_CLOCK_MS: String(clockMs),
          ...options.env,
        },
      }),
    )
  }
  const balancer = await startBalancer({ backends: urls })
  const leases = plane.admin().makeApiClient(CoordinationV1Api)
  return {
    balancer,
    roles,
    urls,
    async leader() {
      return until(
        'a leader among these replicas',
        async () => {
          const lease = await leases
            .readNamespacedLease({ namespace: 'greenroom-system', name: 'agent-webhook' })
            .catch(() => undefined)
          // The holder is HOSTNAME and eight random digits, which change with each restart.
          const holder = lease?.spec?.holderIdentity?.replace(/-[0-9a-f]{8}$/, '')
          return roles.find(({ name }) => name === holder)
        },
        40_000,
      )
    },
    async allReady(timeoutMs = 40_000) {
      await until('every replica to be ready', () => balancer.ready().length === urls.length, timeoutMs)
    },
    async stop() {
      await balancer.stop()
      await Promise.all(roles.map((role) => role.stop()))
    },
  }
}

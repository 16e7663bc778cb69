import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from '../processes/until.ts'
import type { ControlPlane } from '../servers/control-plane.ts'
import { freePort } from '../servers/free-port.ts'
import { type Balancer, startBalancer } from './balancer.ts'
import { createBedClient } from './bed-client.ts'
import type { ServerSecrets } from './installation.ts'
import { isReady } from './is-ready.ts'
import { type RoleProcess, startRole } from './role-process.ts'
import { servingFiles, startWebhookProcess } from './webhook-process.ts'

/** The session server's identity, as the manifests bind it. */
export const serverUsername = 'system:serviceaccount:ai-agents:session-management-sa'

/** Greenroom's own processes, ready and with the rights of the manifests. */
export interface GreenroomProcesses {
  /** `api-1`, `api-2`, …, `controller`, `webhook`; with several webhooks, `webhook-1`, `webhook-2`, … */
  readonly roles: ReadonlyMap<string, RoleProcess>
  readonly apiUrls: readonly string[]
  readonly webhookUrl: string
  /** Of metrics and readiness with its reasons: role → address. */
  readonly opsUrls: Readonly<Record<string, string>>
  /** In front of the API replicas, if `balanced`. */
  readonly balancer: Balancer | undefined
}

/** How many of each, and what more they are told. */
export interface GreenroomShape {
  /** Of the API; 1 unless given. */
  readonly replicas?: number
  /** Replicas of the webhook, behind what a Service does; 1 unless given. */
  readonly webhooks?: number
  /** More environment for the API processes, such as LIVEKIT_*. */
  readonly apiEnv?: Readonly<Record<string, string>>
  /** More environment for the controller, such as GREENROOM_NODE_LOST_SECONDS. */
  readonly controllerEnv?: Readonly<Record<string, string>>
  readonly logLevel?: string
  /** A balancer in front of the API replicas; it is also the address that agents are told. */
  readonly balanced?: boolean
  /** A role was started (again). */
  readonly onRole?: (name: string, pid: number) => void
}

/** Where the API will be reached. Chosen before anything starts: LiveKit must know it for its webhooks. */
export interface ApiAddresses {
  /** One per replica. */
  readonly apiUrls: readonly string[]
  /** Of the balancer, if there is one, else the first replica's: what agents and LiveKit are told. */
  readonly publicUrl: string
}

export async function chooseApiAddresses({ replicas = 1, balanced }: GreenroomShape): Promise<ApiAddresses> {
  const freeUrl = async () => `http://127.0.0.1:${await freePort()}`
  const first = await freeUrl()
  const apiUrls = [first]
  while (apiUrls.length < replicas) apiUrls.push(await freeUrl())
  return { apiUrls, publicUrl: balanced ? await freeUrl() : first }
}

interface GreenroomSetting {
  readonly shape: GreenroomShape
  readonly addresses: ApiAddresses
  readonly plane: ControlPlane
  readonly redisUrl: string
  readonly databaseUrl: string
  /** LIVEKIT_* for the API and the controller; empty without rooms. */
  readonly liveKitEnv: Readonly<Record<string, string>>
  /** The bed's; logs go to `logs`. */
  readonly folder: string
  readonly secrets: ServerSecrets
  /** Takes what must be stopped again, in the order of the starts; also when a later start fails. */
  readonly onStop: (undo: () => Promise<void>) => void
}

const readyTimeoutMs = 20_000

/** Starts the webhook, the controller and the API replicas, and waits until each is ready. */
export async function startGreenroom(setting: GreenroomSetting): Promise<GreenroomProcesses> {
  const { shape, plane, folder, secrets, onStop } = setting
  const { apiUrls, publicUrl } = setting.addresses
  const logs = join(folder, 'logs')
  await mkdir(logs)
  const roles = new Map<string, RoleProcess>()
  const opsUrls: Record<string, string> = {}
  const freeOps = async (name: string, host = '127.0.0.1') => {
    const port = await freePort(host)
    opsUrls[name] = `http://${host}:${port}`
    return port
  }
  const add = (role: RoleProcess) => {
    roles.set(role.name, role)
    onStop(() => role.stop())
  }
  // A controller that finds no webhook backs off for a second, and everything after it would wait for that.
  await startWebhooks(setting, { logs, add, freeOps })
  const server = {
    GREENROOM_HOST: '127.0.0.1',
    GREENROOM_LOG_LEVEL: shape.logLevel ?? 'info',
    KUBECONFIG: await plane.kubeconfigFor(serverUsername),
    DATABASE_URL: setting.databaseUrl,
    REDIS_URL: setting.redisUrl,
    GREENROOM_ASSIGN_KEY_FILE: secrets.keyPath,
    GREENROOM_HMAC_SECRET: secrets.hmacSecret,
    GREENROOM_API_URL: publicUrl,
    ...webhookOps(opsUrls),
    ...setting.liveKitEnv,
  }
  const start = async (name: string, role: string, env: Readonly<Record<string, string>>) => {
    const onStart = (pid: number) => shape.onRole?.(name, pid)
    add(
      await startRole({
        name,
        role,
        logPath: join(logs, `${name}.log`),
        env: { ...server, ...env },
        onStart,
      }),
    )
  }
  const controllerPort = await freeOps('controller')
  await start('controller', 'controller', {
    GREENROOM_OPS_PORT: String(controllerPort),
    ...shape.controllerEnv,
  })
  const balancer = shape.balanced
    ? await startBalancer({ backends: apiUrls, port: Number(new URL(publicUrl).port) })
    : undefined
  if (balancer) onStop(() => balancer.stop())
  for (const [n, url] of apiUrls.entries()) {
    await start(`api-${n + 1}`, 'api', {
      GREENROOM_PORT: new URL(url).port,
      GREENROOM_OPS_PORT: String(await freeOps(`api-${n + 1}`)),
      GREENROOM_PUBLIC_DOCS: 'true',
      GREENROOM_API_KEYS: secrets.apiKey,
      GREENROOM_DRAIN_MS: '0',
      ...shape.apiEnv,
    })
  }
  await untilReady([...apiUrls, `http://127.0.0.1:${controllerPort}`], secrets.apiKey, roles)
  // Its own look comes a moment later, and until then it resets every connection.
  if (balancer) {
    await until(
      'the balancer to see the replicas',
      () => balancer.ready().length === apiUrls.length,
      readyTimeoutMs,
    )
  }
  const webhookUrl = `https://${plane.webhook.host}:${plane.webhook.port}`
  return { roles, apiUrls, webhookUrl, opsUrls, balancer }
}

/** Where the session server asks the webhook; of several, the first. */
function webhookOps(opsUrls: Readonly<Record<string, string>>) {
  const url = opsUrls.webhook ?? opsUrls['webhook-1']
  return url !== undefined && { GREENROOM_WEBHOOK_OPS_URL: url }
}

interface WebhookStart {
  readonly logs: string
  readonly add: (role: RoleProcess) => void
  /** Chooses the port of a role's ops server, and notes it. */
  readonly freeOps: (name: string, host?: string) => Promise<number>
}

/** One webhook listens where the API server calls; several stand behind a balancer that does. */
async function startWebhooks(
  { shape, plane, onStop }: GreenroomSetting,
  { logs, add, freeOps }: WebhookStart,
): Promise<void> {
  const { host, port } = plane.webhook
  const count = shape.webhooks ?? 1
  const urls: string[] = []
  for (let n = 1; n <= count; n += 1) {
    const name = count > 1 ? `webhook-${n}` : 'webhook'
    const itsPort = count > 1 ? await freePort(host) : port
    urls.push(`https://${host}:${itsPort}`)
    const env = { ...servingFiles(plane), GREENROOM_LOG_LEVEL: shape.logLevel ?? 'info' }
    const onStart = (pid: number) => shape.onRole?.(name, pid)
    const opsPort = await freeOps(name, host)
    add(await startWebhookProcess({ plane, name, folder: logs, port: itsPort, opsPort, env, onStart }))
  }
  // A webhook that has not read the policy yet refuses the types of its rows.
  await Promise.all(urls.map((url) => until(`${url} to be ready`, () => isReady(url), readyTimeoutMs)))
  if (count === 1) return
  const service = await startBalancer({ backends: urls, port })
  onStop(() => service.stop())
}

async function untilReady(
  urls: readonly string[],
  apiKey: string,
  roles: ReadonlyMap<string, RoleProcess>,
): Promise<void> {
  const asked = urls.map((url) => {
    const client = createBedClient({ url, apiKey })
    return until(`${url}/readyz`, () => client.isReady(), readyTimeoutMs).finally(() => client.close())
  })
  await Promise.all(asked).catch(async (error: unknown) => {
    const logs = await Promise.all(
      [...roles.values()].map(async ({ name, logPath }) => `${name}: ${await tail(logPath)}`),
    )
    throw new Error(`Greenroom did not get ready:\n${logs.join('\n')}`, { cause: error })
  })
}

async function tail(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).slice(-1_500)
}

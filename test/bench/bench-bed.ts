import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { pino } from 'pino'
import { createKubeApi, type KubeApi } from '../../bed/kubelet/kube-api.ts'
import { setPace } from '../../bed/processes/process-pace.ts'
import { type Program, startProgram } from '../../bed/processes/start-program.ts'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { serverUsername } from '../../bed/replicas/greenroom-processes.ts'
import {
  installation,
  provideServerSecrets,
  type ServerSecrets,
  serverInstallation,
  webhookManifests,
} from '../../bed/replicas/installation.ts'
import { root } from '../../bed/repository.ts'
import { type ControlPlane, startControlPlane } from '../../bed/servers/control-plane.ts'
import { freePort, isFree } from '../../bed/servers/free-port.ts'
import { type PostgresServer, startPostgres } from '../../bed/servers/postgres-server.ts'
import { type RedisServer, startRedis } from '../../bed/servers/redis-server.ts'
import { webhookUsername } from '../../src/domain/names.ts'
import { migrate } from '../../src/stores/postgres-migrate.ts'
import type { LoadTarget } from './load-generator.ts'

/**
 * The parts of the bed that a benchmark asks for, put together so that what is measured has the machine to itself: no
 * process kubelet (agents are played by one process), PostgreSQL with fsync, and a controller and webhook only on demand.
 */
export interface BenchBed {
  readonly folder: string
  readonly postgres: PostgresServer
  readonly redis: RedisServer
  readonly databaseUrl: string
  readonly say: (line: string) => void
  /** Registers what must be undone at the end, last first. */
  onStop(undo: () => Promise<void>): void
  stop(): Promise<void>
}

export const silent = pino({ level: 'silent' })

interface StoreBedOptions {
  readonly say?: (line: string) => void
}

/** Redis, PostgreSQL with fsync, migrated. */
export async function startStoreBed({ say = () => undefined }: StoreBedOptions): Promise<BenchBed> {
  const temporary = await temporaryFolder('bench')
  const undo: (() => Promise<void>)[] = [() => temporary.remove()]
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const redis = await startRedis({ folder: temporary.path })
    undo.push(() => redis.stop())
    const postgres = await startPostgres({ folder: temporary.path, fsync: true })
    undo.push(() => postgres.stop())
    const databaseUrl = await postgres.createDatabase('greenroom')
    await migrate(databaseUrl, silent)
    say('Redis and PostgreSQL (fsync on) are up')
    return {
      folder: temporary.path,
      postgres,
      redis,
      databaseUrl,
      say,
      onStop: (step) => void undo.push(step),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

export const namespace = 'ai-agents'
export const agentType = 'echo-agent'

/** A store bed with an API server, and Greenroom's own processes on it. */
export interface GreenroomBed extends BenchBed {
  readonly plane: ControlPlane
  readonly kube: KubeApi
  readonly kubeletConfig: string
  /** JWK Set of the public assign keys, as the ConfigMap has it. */
  readonly assignKeys: string
  readonly assignKeyIds: readonly string[]
  /** The private ones, which sign deliveries. */
  readonly assignKeyFile: string
  /** `api`, `controller`, `webhook`. */
  readonly roles: ReadonlyMap<string, Program>
  /** POST /v1/sessions of the API. */
  readonly apiUrl: string
  /** Of the API: metrics. */
  readonly opsUrl: string
  readonly target: LoadTarget
  /** Resolves when it is ready. */
  startApi(env?: Readonly<Record<string, string>>): Promise<void>
  /** Another replica, to be measured by turns with the first. */
  startVariant(variant: ApiVariant): Promise<LoadTarget>
  startController(variant?: ControllerVariant): Promise<void>
  podWrites(): Promise<number>
  isReady(): Promise<boolean>
  pool(): ReturnType<ReturnType<typeof createBedClient>['pool']>
}

export interface ApiVariant {
  readonly name: string
  readonly nodeArgs?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** A checkout of another version, on the same database. */
  readonly folder?: string
}

export interface ControllerVariant {
  readonly folder?: string
  readonly nodeArgs?: readonly string[]
  /** Where it serves its metrics; a free one unless given. */
  readonly opsPort?: number
}

/** What there is before the first process of Greenroom and before the API server calls the webhook. */
export type BareCluster = Pick<
  GreenroomBed,
  'folder' | 'databaseUrl' | 'kube' | 'plane' | 'assignKeys' | 'onStop'
>

interface GreenroomBedOptions extends StoreBedOptions {
  /** Text of pools.yaml. */
  readonly pools: string
  /** With the webhook, which every pod of the controller passes. */
  readonly webhook: boolean
  /** The checkout whose roles run; this one unless given. */
  readonly folder?: string | undefined
  /** Arguments of node for every role, beside those of production. */
  readonly nodeArgs?: readonly string[] | undefined
  /** Arguments of node for the API process alone, such as `--import FILE`. */
  readonly apiNodeArgs?: readonly string[]
  /** Body of each open. */
  readonly body: object
  /** Puts objects into the cluster that nobody is to judge. */
  readonly beforeWebhooks?: (cluster: BareCluster) => Promise<void>
}

const readyTimeoutMs = 30_000

export async function startGreenroomBed(options: GreenroomBedOptions): Promise<GreenroomBed> {
  const bed = await startStoreBed(options)
  try {
    return await addGreenroom(bed, options)
  } catch (error) {
    await bed.stop()
    throw error
  }
}

async function addGreenroom(bed: BenchBed, options: GreenroomBedOptions): Promise<GreenroomBed> {
  const plane = await startControlPlane({
    folder: bed.folder,
    webhookManifests: options.webhook ? webhookManifests : [],
    webhooksLater: true,
  })
  bed.onStop(() => plane.stop())
  await plane.apply(options.webhook ? installation : serverInstallation)
  const kubeletConfig = await plane.kubeconfigFor('bench-kubelet', ['system:masters'])
  const kube = await createKubeApi(kubeletConfig)
  bed.onStop(async () => kube.close())
  const secrets = await provideServerSecrets(plane, bed.folder, options.pools)
  bed.say('the Kubernetes API server is up')
  await options.beforeWebhooks?.({ ...bed, plane, kube, assignKeys: secrets.publicKeys })
  await plane.installWebhooks()
  return withRoles({ bed, plane, kube, kubeletConfig, secrets, options })
}

interface RolesOptions {
  readonly bed: BenchBed
  readonly plane: ControlPlane
  readonly kube: KubeApi
  readonly kubeletConfig: string
  readonly secrets: ServerSecrets
  readonly options: GreenroomBedOptions
}

async function withRoles(given: RolesOptions): Promise<GreenroomBed> {
  const { bed, plane, kube, kubeletConfig, secrets, options } = given
  const roles = new Map<string, Program>()
  const serverEnv = {
    KUBECONFIG: await plane.kubeconfigFor(serverUsername),
    DATABASE_URL: bed.databaseUrl,
    REDIS_URL: bed.redis.url,
    GREENROOM_ASSIGN_KEY_FILE: secrets.keyPath,
    GREENROOM_HMAC_SECRET: secrets.hmacSecret,
  }
  async function start(
    role: string,
    env: Readonly<Record<string, string>>,
    {
      nodeArgs = [],
      folder = options.folder ?? root,
      name = role,
    }: { nodeArgs?: readonly string[]; folder?: string; name?: string } = {},
  ) {
    const logPath = join(bed.folder, `${name}.log`)
    const program = await startProgram({
      command: process.execPath,
      args: [...productionNodeArgs, ...(options.nodeArgs ?? []), ...nodeArgs, 'src/main.ts', role],
      cwd: folder,
      env: { PATH: process.env.PATH, HOSTNAME: name, GREENROOM_HOST: '127.0.0.1', ...env },
      logPath,
    })
    roles.set(name, program)
    bed.onStop(() => program.stop('SIGTERM', 12_000))
  }
  if (options.webhook) {
    await startWebhook(plane, start)
    for (const pid of [plane.pids.etcd, plane.pids['kube-apiserver'], roles.get('webhook')?.pid])
      if (pid !== undefined) setPace(pid, 'elsewhere')
  }
  const [port, opsPort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port}`
  const client = createBedClient({ url, apiKey: secrets.apiKey })
  bed.onStop(async () => client.close())
  const apiEnv = (ports: { readonly port: number; readonly opsPort: number }) => ({
    ...serverEnv,
    GREENROOM_PORT: String(ports.port),
    GREENROOM_OPS_PORT: String(ports.opsPort),
    GREENROOM_API_KEYS: secrets.apiKey,
    GREENROOM_API_URL: url,
    GREENROOM_DRAIN_MS: '0',
    // Tokens are minted in the API process; nobody needs to listen there.
    LIVEKIT_URL: 'ws://127.0.0.1:7880',
    LIVEKIT_API_KEY: 'bench-key',
    LIVEKIT_API_SECRET: randomBytes(32).toString('hex'),
  })
  const target: LoadTarget = {
    host: '127.0.0.1',
    port,
    method: 'POST',
    path: '/v1/sessions',
    headers: { authorization: `Bearer ${secrets.apiKey}` },
    body: JSON.stringify(options.body),
    wanted: 201,
  }
  return {
    ...bed,
    plane,
    kube,
    kubeletConfig,
    assignKeys: secrets.publicKeys,
    assignKeyIds: JSON.parse(secrets.publicKeys).keys.map(({ kid }: { kid: string }) => kid),
    assignKeyFile: secrets.keyPath,
    roles,
    apiUrl: url,
    opsUrl: `http://127.0.0.1:${opsPort}`,
    target,
    async startApi(more = {}) {
      const nodeArgs = options.apiNodeArgs ?? []
      await start('api', { ...apiEnv({ port, opsPort }), ...more }, { nodeArgs })
      await until('the API to be ready', () => client.isReady(), readyTimeoutMs)
    },
    async startVariant({ name, env, folder = options.folder ?? root, nodeArgs = [] }) {
      const ports = { port: await freePort(), opsPort: await freePort() }
      await start('api', { ...apiEnv(ports), ...env }, { folder, name, nodeArgs })
      const its = createBedClient({ url: `http://127.0.0.1:${ports.port}`, apiKey: secrets.apiKey })
      bed.onStop(async () => its.close())
      await until(`${name} to be ready`, () => its.isReady(), readyTimeoutMs)
      return { ...target, port: ports.port }
    },
    async startController({ opsPort: itsPort, ...variant } = {}) {
      const env = { ...serverEnv, GREENROOM_OPS_PORT: String(itsPort ?? (await freePort())) }
      await start('controller', env, variant)
      setPace(roles.get('controller')?.pid ?? 0, 'elsewhere')
    },
    podWrites: async () =>
      (await plane.writes()).filter(
        ({ user, resource, dryRun }) =>
          !dryRun && resource === 'pods' && [serverUsername, webhookUsername].includes(user),
      ).length,
    isReady: () => client.isReady(),
    pool: () => client.pool(agentType),
  }
}

/** As `npm start` and the image run it. */
const productionNodeArgs = ['--max-semi-space-size=4']

async function startWebhook(
  plane: ControlPlane,
  start: (role: string, env: Readonly<Record<string, string>>) => Promise<void>,
): Promise<void> {
  const { webhook } = plane
  await start('webhook', {
    KUBECONFIG: await plane.kubeconfigFor(webhookUsername),
    GREENROOM_WEBHOOK_PORT: String(webhook.port),
    GREENROOM_WEBHOOK_OPS_PORT: String(await freePort()),
    GREENROOM_WEBHOOK_CERT_FILE: webhook.certPath,
    GREENROOM_WEBHOOK_KEY_FILE: webhook.keyPath,
    GREENROOM_DRAIN_MS: '0',
  })
  await until('the webhook', async () => !(await isFree(webhook.port, webhook.host)), readyTimeoutMs)
}

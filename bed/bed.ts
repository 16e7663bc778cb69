import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CoreV1Api } from '@kubernetes/client-node'
import { parseAllDocuments } from 'yaml'
import { assignKeyManifests } from '../src/cli/assign-key.ts'
import { createLogger } from '../src/logging.ts'
import { migrate } from '../src/stores/postgres-migrate.ts'
import { type Balancer, startBalancer } from './replicas/balancer.ts'
import { createBedClient } from './bed-client.ts'
import { atProxy, type BedProxies, startBedProxies } from './bed-proxies.ts'
import { type ControlPlane, startControlPlane } from './servers/control-plane.ts'
import { freePort } from './servers/free-port.ts'
import { isReady } from './servers/is-ready.ts'
import { type PostgresServer, startPostgres } from './servers/postgres-server.ts'
import { setPace } from './kubelet/process-pace.ts'
import { type RedisServer, startRedis } from './servers/redis-server.ts'
import { root } from './repository.ts'
import { type RoleProcess, startRole } from './replicas/role-process.ts'
import { type Program, startProgram } from './servers/start-program.ts'
import { startTcpBalancer } from './replicas/tcp-balancer.ts'
import { temporaryFolder } from './servers/temporary-folder.ts'
import { until } from './until.ts'

/** Real parts and Greenroom's own processes on them, each with the rights of the manifests (DESIGN §10). */
export interface Bed {
  readonly namespace: string
  readonly apiUrls: readonly string[]
  readonly apiKey: string
  readonly webhookUrl: string
  readonly plane: ControlPlane
  readonly redis: RedisServer
  readonly postgres: PostgresServer
  readonly databaseUrl: string
  /** In front of the API replicas, if `balanced`. */
  readonly balancer: Balancer | undefined
  /** Between Greenroom's processes and the servers, if `proxied`. */
  readonly proxies: BedProxies | undefined
  /** The process kubelet, a process of its own. */
  readonly kubelet: Program
  /** `api-1`, `api-2`, …, `controller`, `webhook`; with several, `webhook-1`, `webhook-2`, … */
  readonly roles: ReadonlyMap<string, RoleProcess>
  /** Logs of every part. */
  readonly folder: string
  /** Write requests of Greenroom's own identities so far, leases and documents excluded. */
  podWrites(): Promise<number>
  stop(): Promise<void>
}

export interface BedOptions {
  readonly replicas?: number
  /** Replicas of the webhook behind what a Service does; 1 unless given. */
  readonly webhooks?: number
  /** Text of pools.yaml. */
  readonly pools: string
  /** More environment for the API processes, such as LIVEKIT_*. */
  readonly apiEnv?: Readonly<Record<string, string>>
  /** More environment for the controller, such as GREENROOM_NODE_LOST_SECONDS. */
  readonly controllerEnv?: Readonly<Record<string, string>>
  /** Value of OPENAI_API_KEY in Secret agent-secrets; no Secret without it. */
  readonly openAiKey?: string
  readonly logLevel?: string
  /** A balancer in front of the replicas; it is also the address that agents are told. */
  readonly balanced?: boolean
  /** Greenroom's processes reach Redis and PostgreSQL through TCP proxies that misbehave on demand. */
  readonly proxied?: boolean
  /** True where speed is measured: what a cluster runs on other machines comes after what serves (the default). */
  readonly paced?: boolean
  /** A role was started (again). */
  readonly onRole?: (name: string, pid: number) => void
  readonly say?: (line: string) => void
}

export const namespace = 'ai-agents'
const image = 'greenroom:0.1.0'
/** Identities as the manifests bind them. */
const serverUser = 'system:serviceaccount:ai-agents:session-management-sa'
const webhookUser = 'system:serviceaccount:greenroom-system:agent-webhook'

/** Rights and documents of the manifests; the Deployments are what the bed's own processes stand for. */
const manifests = [
  'manifests/base/namespace.yaml',
  'manifests/base/session-server/rbac.yaml',
  'manifests/base/webhook/service-account.yaml',
  'manifests/base/webhook/rbac.yaml',
  'manifests/base/agent-policy.yaml',
]

export async function startBed(options: BedOptions): Promise<Bed> {
  const { say = () => undefined } = options
  const temporary = await temporaryFolder('bed')
  const folder = temporary.path
  const undo: (() => Promise<void>)[] = [() => temporary.remove()]
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const began = performance.now()
    const [plane, redis, postgres] = await startServers(folder, undo)
    say(`etcd, kube-apiserver, Redis and PostgreSQL are up after ${seconds(began)}`)
    await plane.apply(manifests.map((path) => join(root, path)))
    const databaseUrl = await postgres.createDatabase('greenroom')
    await migrate(databaseUrl, createLogger({ level: 'silent', role: 'migrate', instance: 'bed' }))
    const secrets = await provideSecrets(plane, folder, options)
    const proxies = options.proxied ? await startBedProxies({ redisUrl: redis.url, databaseUrl }) : undefined
    if (proxies) undo.push(() => proxies.stop())
    const processes = await startGreenroom(
      {
        ...options,
        plane,
        redisUrl: atProxy(redis.url, proxies?.redis),
        databaseUrl: atProxy(databaseUrl, proxies?.postgres),
        folder,
        secrets,
      },
      undo,
    )
    const kubelet = await startKubelet(plane, folder, options.paced ?? true)
    undo.push(() => kubelet.stop())
    await untilReady(processes, secrets.apiKey)
    if (options.paced ?? true) {
      for (const pid of elsewhere(plane, processes, kubelet)) setPace(pid, 'elsewhere')
    }
    say(`Greenroom is ready after ${seconds(began)}`)
    return {
      namespace,
      apiUrls: processes.apiUrls,
      apiKey: secrets.apiKey,
      webhookUrl: processes.webhookUrl,
      plane,
      redis,
      postgres,
      databaseUrl,
      balancer: processes.balancer,
      proxies,
      kubelet,
      roles: processes.roles,
      folder,
      podWrites: () => podWritesOf(plane),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startServers(
  folder: string,
  undo: (() => Promise<void>)[],
): Promise<[ControlPlane, RedisServer, PostgresServer]> {
  const starts = [
    startControlPlane({ folder, webhookManifests: [join(root, 'manifests/base/webhook')] }),
    startRedis({ folder }),
    startPostgres({ folder }),
  ] as const
  // Whatever did start must be stopped even when another one did not.
  for (const start of await Promise.allSettled(starts)) {
    if (start.status === 'fulfilled') undo.push(() => start.value.stop())
  }
  return Promise.all(starts)
}

interface BedSecrets {
  readonly apiKey: string
  readonly hmacSecret: string
  readonly keyPath: string
}

/** What an installation makes once: assign keys, an API key, and the agents' own Secret. */
async function provideSecrets(plane: ControlPlane, folder: string, options: BedOptions): Promise<BedSecrets> {
  const core = plane.admin().makeApiClient(CoreV1Api)
  const documents = parseAllDocuments(await assignKeyManifests({ namespace })).map((document) =>
    document.toJS(),
  )
  const secret = documents.find(({ kind }) => kind === 'Secret')
  const publicKeys = documents.find(({ kind }) => kind === 'ConfigMap')
  await core.createNamespacedSecret({ namespace, body: secret })
  await core.createNamespacedConfigMap({ namespace, body: publicKeys })
  const keyPath = join(folder, 'assign-keys.json')
  await writeFile(keyPath, secret.stringData['keys.json'], { mode: 0o600 })
  await core.createNamespacedConfigMap({
    namespace,
    body: { metadata: { name: 'agent-pools' }, data: { 'pools.yaml': options.pools } },
  })
  if (options.openAiKey !== undefined) {
    await core.createNamespacedSecret({
      namespace,
      body: { metadata: { name: 'agent-secrets' }, stringData: { OPENAI_API_KEY: options.openAiKey } },
    })
  }
  return {
    apiKey: `gr_${randomBytes(18).toString('base64url')}`,
    hmacSecret: randomBytes(32).toString('hex'),
    keyPath,
  }
}

interface Greenroom {
  readonly roles: ReadonlyMap<string, RoleProcess>
  readonly apiUrls: readonly string[]
  readonly opsUrls: readonly string[]
  readonly webhookUrl: string
  readonly balancer: Balancer | undefined
}

interface GreenroomOptions extends BedOptions {
  readonly plane: ControlPlane
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly folder: string
  readonly secrets: BedSecrets
}

async function startGreenroom(options: GreenroomOptions, undo: (() => Promise<void>)[]): Promise<Greenroom> {
  const { plane, redisUrl, databaseUrl, folder, secrets } = options
  const logs = join(folder, 'logs')
  await mkdir(logs)
  const roles = new Map<string, RoleProcess>()
  const start = async (name: string, role: string, env: Record<string, string>) => {
    const process = await startRole({
      name,
      role,
      root,
      logPath: join(logs, `${name}.log`),
      env: { GREENROOM_HOST: '127.0.0.1', GREENROOM_LOG_LEVEL: options.logLevel ?? 'info', ...env },
      onStart: (pid) => options.onRole?.(name, pid),
    })
    roles.set(name, process)
    undo.push(() => process.stop())
  }
  const server = {
    KUBECONFIG: await plane.kubeconfigFor(serverUser),
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    GREENROOM_ASSIGN_KEY_FILE: secrets.keyPath,
    GREENROOM_HMAC_SECRET: secrets.hmacSecret,
  }
  const { webhook } = plane
  const { webhooks = 1 } = options
  const backends = [{ host: webhook.host, port: webhook.port }]
  if (webhooks > 1) {
    backends.length = 0
    while (backends.length < webhooks)
      backends.push({ host: webhook.host, port: await freePort(webhook.host) })
    const service = await startTcpBalancer(webhook, backends)
    undo.push(() => service.stop())
  }
  for (const [n, { host, port }] of backends.entries()) {
    await start(webhooks > 1 ? `webhook-${n + 1}` : 'webhook', 'webhook', {
      KUBECONFIG: await plane.kubeconfigFor(webhookUser),
      GREENROOM_WEBHOOK_PORT: String(port),
      GREENROOM_WEBHOOK_CERT_FILE: webhook.certPath,
      GREENROOM_WEBHOOK_KEY_FILE: webhook.keyPath,
      GREENROOM_DRAIN_MS: '0',
    })
    // A controller that finds no webhook backs off for a second: everybody would wait for that.
    // One that has not read the policy yet refuses the types of its rows.
    await until('a ready webhook', () => isReady(`https://${host}:${port}`), 20_000)
  }
  const controllerPort = await freePort()
  await start('controller', 'controller', {
    ...server,
    GREENROOM_CONTROLLER_PORT: String(controllerPort),
    ...options.controllerEnv,
  })
  const apiUrls: string[] = []
  for (let replica = 1; replica <= (options.replicas ?? 1); replica += 1) {
    apiUrls.push(`http://127.0.0.1:${await freePort()}`)
  }
  const balancer = options.balanced ? await startBalancer({ backends: apiUrls }) : undefined
  if (balancer) undo.push(() => balancer.stop())
  for (const [n, url] of apiUrls.entries()) {
    await start(`api-${n + 1}`, 'api', {
      ...server,
      GREENROOM_PORT: new URL(url).port,
      GREENROOM_API_KEYS: secrets.apiKey,
      GREENROOM_API_URL: balancer?.url ?? url,
      GREENROOM_DRAIN_MS: '0',
      ...options.apiEnv,
    })
  }
  const opsUrls = [...apiUrls, `http://127.0.0.1:${controllerPort}`]
  return { roles, apiUrls, opsUrls, webhookUrl: `https://${webhook.host}:${webhook.port}`, balancer }
}

async function startKubelet(plane: ControlPlane, folder: string, paced: boolean): Promise<Program> {
  const options = {
    paced,
    kubeconfigPath: await plane.kubeconfigFor('process-kubelet', ['system:masters']),
    images: { [image]: { workingDir: root, user: 1000 } },
    folder: join(folder, 'kubelet'),
  }
  return startProgram({
    command: process.execPath,
    args: [join(root, 'bed/kubelet/kubelet-program.ts'), JSON.stringify(options)],
    logPath: join(folder, 'kubelet.log'),
  })
}

async function untilReady({ opsUrls, roles }: Greenroom, apiKey: string): Promise<void> {
  await Promise.all(
    opsUrls.map((url) => {
      const client = createBedClient({ url, apiKey })
      return until(`${url}/readyz`, () => client.isReady().finally(() => client.close()), 20_000)
    }),
  ).catch(async (error: unknown) => {
    const logs = await Promise.all(
      [...roles.values()].map(async ({ name, logPath }) => `${name}: ${await tail(logPath)}`),
    )
    throw new Error(`Greenroom did not get ready:\n${logs.join('\n')}`, { cause: error })
  })
}

async function tail(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).slice(-1_500)
}

/**
 * What a cluster runs on other machines than the session API: on one small machine it all competes for the same cores,
 * and a refill would be measured as part of the claim that caused it.
 */
function elsewhere(plane: ControlPlane, { roles }: Greenroom, kubelet: Program): readonly number[] {
  const others = [...roles].filter(([name]) => !name.startsWith('api-')).map(([, role]) => role.pid())
  return [plane.pids.etcd, plane.pids['kube-apiserver'], kubelet.pid, ...others]
}

async function podWritesOf(plane: ControlPlane): Promise<number> {
  const writes = await plane.writes()
  return writes.filter(
    ({ user, resource }) => resource === 'pods' && [serverUser, webhookUser].includes(user),
  ).length
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1_000).toFixed(1)} s`
}

import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CoreV1Api } from '@kubernetes/client-node'
import { webhookUsername } from '../src/domain/names.ts'
import { createLogger } from '../src/logging.ts'
import { migrate } from '../src/stores/postgres-migrate.ts'
import { setPace } from './processes/process-pace.ts'
import { type Program, startProgram } from './processes/start-program.ts'
import { temporaryFolder } from './processes/temporary-folder.ts'
import {
  type ApiAddresses,
  chooseApiAddresses,
  type GreenroomProcesses,
  type GreenroomShape,
  serverUsername,
  startGreenroom,
} from './replicas/greenroom-processes.ts'
import {
  agentsNamespace,
  installation,
  provideServerSecrets,
  webhookManifests,
} from './replicas/installation.ts'
import { root } from './repository.ts'
import { atProxy, type BedProxies, startBedProxies } from './servers/bed-proxies.ts'
import { type ControlPlane, startControlPlane } from './servers/control-plane.ts'
import { type LiveKitServer, startLiveKit } from './servers/livekit-server.ts'
import { type PostgresServer, startPostgres } from './servers/postgres-server.ts'
import { type RedisServer, startRedis } from './servers/redis-server.ts'

/** Real servers, and Greenroom's own processes on them, each with the rights of the manifests (DESIGN §10). */
export interface Bed extends GreenroomProcesses {
  readonly namespace: string
  readonly apiKey: string
  readonly plane: ControlPlane
  readonly redis: RedisServer
  readonly postgres: PostgresServer
  /** If the bed has rooms. */
  readonly livekit: LiveKitServer | undefined
  /** As the role that owns the schema. Greenroom's processes have a role of their own, which may only use rows. */
  readonly databaseUrl: string
  /** Between Greenroom's processes and the servers, if `proxied`. */
  readonly proxies: BedProxies | undefined
  /** The process kubelet, a process of its own. */
  readonly kubelet: Program
  /** Logs of every part. */
  readonly folder: string
  /** Write requests of Greenroom's own identities so far, leases and documents excluded. */
  podWrites(): Promise<number>
  stop(): Promise<void>
}

export interface BedOptions extends GreenroomShape {
  /** Text of pools.yaml. */
  readonly pools: string
  /** Value of OPENAI_API_KEY in Secret agent-secrets; no Secret without it. */
  readonly openAiKey?: string
  /**
   * A LiveKit server of its own, so that sessions have rooms: 50 MB and 70 ms, and 80 MB in every claimed agent. Tests of
   * other things leave it out.
   */
  readonly livekit?: boolean
  /** Greenroom's processes reach Redis, PostgreSQL and LiveKit through TCP proxies that misbehave on demand. */
  readonly proxied?: boolean
  /**
   * True where speed is measured: what a cluster runs on other machines gets a lower priority. On a busy machine it then
   * gets next to no time, so tests leave it out.
   */
  readonly paced?: boolean
  /** Checkout that stands for the image of the agents, this one unless given. A link may be pointed elsewhere later. */
  readonly agentsFolder?: string
  readonly say?: (line: string) => void
}

/** Of Greenroom's processes in PostgreSQL. */
const serverRole = 'greenroom_server'

const image = 'greenroom:0.1.0'

export async function startBed(options: BedOptions): Promise<Bed> {
  const { say = () => undefined, paced = false } = options
  const temporary = await temporaryFolder('bed')
  const folder = temporary.path
  const undo: (() => Promise<void>)[] = [() => temporary.remove()]
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const began = performance.now()
    const addresses = await chooseApiAddresses(options)
    const livekit = options.livekit ? await startRooms(folder, addresses) : undefined
    if (livekit) undo.push(() => livekit.stop())
    const [plane, redis, postgres] = await startServers(folder, undo)
    say(
      `etcd, kube-apiserver, Redis${livekit ? ', LiveKit' : ''} and PostgreSQL are up after ${seconds(began)}`,
    )
    await plane.apply(installation)
    const databaseUrl = await postgres.createDatabase('greenroom')
    const serverDatabaseUrl = await postgres.createRole(serverRole, 'greenroom')
    const migrateLog = createLogger({ level: 'silent', role: 'migrate', instance: 'bed' })
    await migrate(databaseUrl, migrateLog, { role: serverRole })
    const secrets = await provideServerSecrets(plane, folder, options.pools)
    await provideAgentSecret(plane, options.openAiKey)
    // Last, as with `kubectl apply -k`: nobody may write the policy and the keys until the webhook answers.
    await plane.installWebhooks()
    const proxies = options.proxied
      ? await startBedProxies({ redisUrl: redis.url, databaseUrl, livekitUrl: livekit?.url })
      : undefined
    if (proxies) undo.push(() => proxies.stop())
    // The kubelet gets ready while Greenroom's processes start.
    const kubelet = await startKubelet(plane, folder, { paced, agentsFolder: options.agentsFolder ?? root })
    undo.push(() => kubelet.stop())
    const greenroom = await startGreenroom({
      secrets,
      shape: options,
      addresses,
      plane,
      redisUrl: atProxy(redis.url, proxies?.redis),
      databaseUrl: atProxy(serverDatabaseUrl, proxies?.postgres),
      liveKitEnv: livekit ? liveKitEnv(livekit, proxies) : {},
      folder,
      onStop: (step) => void undo.push(step),
    })
    if (paced) for (const pid of elsewhere({ plane, greenroom, kubelet, livekit })) setPace(pid, 'elsewhere')
    say(`Greenroom is ready after ${seconds(began)}`)
    return {
      ...greenroom,
      namespace: agentsNamespace,
      apiKey: secrets.apiKey,
      plane,
      redis,
      postgres,
      livekit,
      databaseUrl,
      proxies,
      kubelet,
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
    startControlPlane({ folder, webhookManifests, webhooksLater: true }),
    startRedis({ folder }),
    startPostgres({ folder }),
  ] as const
  // A server that did start must be stopped even if another one did not.
  for (const start of await Promise.allSettled(starts)) {
    if (start.status === 'fulfilled') undo.push(() => start.value.stop())
  }
  return Promise.all(starts)
}

function startRooms(folder: string, { publicUrl }: ApiAddresses): Promise<LiveKitServer> {
  return startLiveKit({ folder, webhookUrls: [`${publicUrl}/v1/livekit/webhook`] })
}

function liveKitEnv(server: LiveKitServer, proxies: BedProxies | undefined): Record<string, string> {
  return {
    LIVEKIT_URL: atProxy(server.url, proxies?.livekit),
    LIVEKIT_API_KEY: server.apiKey,
    LIVEKIT_API_SECRET: server.apiSecret,
  }
}

/** The agents' own Secret, if the bed was given a value for it. */
async function provideAgentSecret(plane: ControlPlane, openAiKey: string | undefined): Promise<void> {
  if (openAiKey === undefined) return
  await plane
    .admin()
    .makeApiClient(CoreV1Api)
    .createNamespacedSecret({
      namespace: agentsNamespace,
      body: { metadata: { name: 'agent-secrets' }, stringData: { OPENAI_API_KEY: openAiKey } },
    })
}

async function startKubelet(
  plane: ControlPlane,
  folder: string,
  { paced, agentsFolder }: { readonly paced: boolean; readonly agentsFolder: string },
): Promise<Program> {
  // As the image has it; here the first agent fills it, under a user that may be any.
  const compileCache = join(folder, 'compile-cache')
  await mkdir(compileCache)
  await chmod(compileCache, 0o777)
  const options = {
    paced,
    kubeconfigPath: await plane.kubeconfigFor('process-kubelet', ['system:masters']),
    images: { [image]: { workingDir: agentsFolder, user: 1000, env: { NODE_COMPILE_CACHE: compileCache } } },
    folder: join(folder, 'kubelet'),
  }
  return startProgram({
    command: process.execPath,
    args: [join(root, 'bed/kubelet/kubelet-program.ts'), JSON.stringify(options)],
    logPath: join(folder, 'kubelet.log'),
  })
}

interface Elsewhere {
  readonly plane: ControlPlane
  readonly greenroom: GreenroomProcesses
  readonly kubelet: Program
  readonly livekit: LiveKitServer | undefined
}

/**
 * What a cluster runs on other machines than the session API: on one small machine it all competes for the same cores,
 * and a refill would be measured as part of the claim that caused it.
 */
function elsewhere({ plane, greenroom, kubelet, livekit }: Elsewhere): readonly number[] {
  const others = [...greenroom.roles]
    .filter(([name]) => !name.startsWith('api-'))
    .map(([, role]) => role.pid())
  const rooms = livekit ? [livekit.pid] : []
  return [plane.pids.etcd, plane.pids['kube-apiserver'], kubelet.pid, ...rooms, ...others]
}

async function podWritesOf(plane: ControlPlane): Promise<number> {
  const writes = await plane.writes()
  return writes.filter(
    ({ user, resource, dryRun }) =>
      !dryRun && resource === 'pods' && [serverUsername, webhookUsername].includes(user),
  ).length
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1_000).toFixed(1)} s`
}

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
import { type PostgresServer, startPostgres } from './servers/postgres-server.ts'
import { type RedisServer, startRedis } from './servers/redis-server.ts'

/** Real servers, and Greenroom's own processes on them, each with the rights of the manifests (DESIGN §10). */
export interface Bed extends GreenroomProcesses {
  readonly namespace: string
  readonly apiKey: string
  readonly plane: ControlPlane
  readonly redis: RedisServer
  readonly postgres: PostgresServer
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
  /** Greenroom's processes reach Redis and PostgreSQL through TCP proxies that misbehave on demand. */
  readonly proxied?: boolean
  /**
   * True where speed is measured: what a cluster runs on other machines gets a lower priority. On a busy machine it then
   * gets next to no time, so tests leave it out.
   */
  readonly paced?: boolean
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
    const [plane, redis, postgres] = await startServers(folder, undo)
    say(`etcd, kube-apiserver, Redis and PostgreSQL are up after ${seconds(began)}`)
    await plane.apply(installation)
    const databaseUrl = await postgres.createDatabase('greenroom')
    const serverDatabaseUrl = await postgres.createRole(serverRole, 'greenroom')
    const migrateLog = createLogger({ level: 'silent', role: 'migrate', instance: 'bed' })
    await migrate(databaseUrl, migrateLog, { role: serverRole })
    const secrets = await provideServerSecrets(plane, folder, options.pools)
    await provideAgentSecret(plane, options.openAiKey)
    // Last, as with `kubectl apply -k`: nobody may write the policy and the keys until the webhook answers.
    await plane.installWebhooks()
    const proxies = options.proxied ? await startBedProxies({ redisUrl: redis.url, databaseUrl }) : undefined
    if (proxies) undo.push(() => proxies.stop())
    // The kubelet gets ready while Greenroom's processes start.
    const kubelet = await startKubelet(plane, folder, paced)
    undo.push(() => kubelet.stop())
    const greenroom = await startGreenroom({
      secrets,
      shape: options,
      plane,
      redisUrl: atProxy(redis.url, proxies?.redis),
      databaseUrl: atProxy(serverDatabaseUrl, proxies?.postgres),
      folder,
      onStop: (step) => void undo.push(step),
    })
    if (paced) for (const pid of elsewhere(plane, greenroom, kubelet)) setPace(pid, 'elsewhere')
    say(`Greenroom is ready after ${seconds(began)}`)
    return {
      ...greenroom,
      namespace: agentsNamespace,
      apiKey: secrets.apiKey,
      plane,
      redis,
      postgres,
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

async function startKubelet(plane: ControlPlane, folder: string, paced: boolean): Promise<Program> {
  // As the image has it; here the first agent fills it, under a user that may be any.
  const compileCache = join(folder, 'compile-cache')
  await mkdir(compileCache)
  await chmod(compileCache, 0o777)
  const options = {
    paced,
    kubeconfigPath: await plane.kubeconfigFor('process-kubelet', ['system:masters']),
    images: { [image]: { workingDir: root, user: 1000, env: { NODE_COMPILE_CACHE: compileCache } } },
    folder: join(folder, 'kubelet'),
  }
  return startProgram({
    command: process.execPath,
    args: [join(root, 'bed/kubelet/kubelet-program.ts'), JSON.stringify(options)],
    logPath: join(folder, 'kubelet.log'),
  })
}

/**
 * What a cluster runs on other machines than the session API: on one small machine it all competes for the same cores,
 * and a refill would be measured as part of the claim that caused it.
 */
function elsewhere(plane: ControlPlane, { roles }: GreenroomProcesses, kubelet: Program): readonly number[] {
  const others = [...roles].filter(([name]) => !name.startsWith('api-')).map(([, role]) => role.pid())
  return [plane.pids.etcd, plane.pids['kube-apiserver'], kubelet.pid, ...others]
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

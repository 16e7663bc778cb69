import { mkdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { setPace } from '../../bed/processes/process-pace.ts'
import { until } from '../../bed/processes/until.ts'
import { root } from '../../bed/repository.ts'
import { freePort } from '../../bed/servers/free-port.ts'
import { effectiveRow } from '../../src/admission/policy/effective-row.ts'
import { rowDigest } from '../../src/admission/policy/row-digest.ts'
import { checkPolicy } from '../../src/admission/rules/check-policy.ts'
import { configMapKey } from '../../src/domain/names.ts'
import type { PoolSpec } from '../../src/domain/pool.ts'
import type { PoolPod } from '../../src/domain/pool-pod.ts'
import { templateHash } from '../../src/domain/slot-pod.ts'
import { createPostgres } from '../../src/stores/postgres-client.ts'
import { createPostgresPoolPods } from '../../src/stores/postgres-pool-pods.ts'
import { startAgentsProcess } from './agents-process.ts'
import { type BareCluster, type GreenroomBed, silent, startGreenroomBed } from './bench-bed.ts'
import { createReadyPods } from './bench-pods.ts'
import type { LoadTarget } from './load-generator.ts'

/** A whole Greenroom with so many pods in so many pools, as it is long after its start: nothing is to be made or replaced. */
export interface ScaleBed extends GreenroomBed {
  readonly types: readonly string[]
  /** Starts the API replicas and the controller, of this checkout or another, one after the other. */
  startRoles(version: RoleVersion): Promise<StartedRoles>
}

export interface RoleVersion {
  readonly name: string
  readonly folder?: string
  readonly replicas: number
  /** Where profiles go; undefined for none. */
  readonly profiles?: string | undefined
}

export interface StartedRoles {
  readonly targets: readonly LoadTarget[]
  readonly pids: Readonly<Record<string, number>>
  /** From the start of the process until it is ready, ms. */
  readonly startMs: Readonly<Record<string, number>>
  readonly controllerOpsUrl: string
  /** Starts or stops the profiler of the first replica and of the controller. */
  toggleProfiles(): void
  stop(): Promise<void>
}

export interface ScaleOptions {
  readonly pods: number
  readonly pools: number
  /** Addresses for pods that are made while others end. */
  readonly more: number
  readonly say: (line: string) => void
}

const readyTimeoutMs = 60_000
/** As in the bench of refills. */
const readyAfterMs = 50
const template = { image: 'greenroom:0.1.0', command: ['node', 'src/agent/echo-agent.ts'] }

export async function startScaleBed(options: ScaleOptions): Promise<ScaleBed> {
  const { pods, pools, more, say } = options
  const types = Array.from({ length: pools }, (_, n) => `agent-${n}`)
  const each = Math.ceil(pods / pools)
  const spec = { template, min: each, max: 4 * each + 100, refill: { inFlight: 100 } }
  const document = { pools: Object.fromEntries(types.map((type) => [type, spec])) }
  const agents: { current?: ReturnType<typeof startAgentsProcess> } = {}
  const bed = await startGreenroomBed({
    say,
    // JSON is YAML.
    pools: JSON.stringify(document),
    webhook: true,
    body: {},
    async beforeWebhooks(cluster) {
      const began = performance.now()
      const process = startAgentsProcess(join(cluster.folder, 'agents.log'))
      agents.current = process
      cluster.onStop(() => process.stop())
      const { addresses } = await process.call('start', {
        count: types.length * each + more,
        assignKeys: cluster.assignKeys,
      })
      await fill(cluster, { types, each, addresses, place: (placed) => process.call('place', placed) })
      say(`${types.length * each} pods in ${pools} pools after ${Math.round(performance.now() - began)} ms`)
    },
  })
  await agents.current?.call('serve', { kubeconfigPath: bed.kubeletConfig, readyAfterMs })
  return { ...bed, types, startRoles: (version) => startRoles(bed, version) }
}

interface Filling {
  readonly types: readonly string[]
  readonly each: number
  readonly addresses: readonly string[]
  readonly place: (pods: { ip: string; uid: string }[]) => Promise<void>
}

/** Pods as the controller and the webhook would have made them, with their notes. */
async function fill(cluster: BareCluster, { types, each, addresses, place }: Filling): Promise<void> {
  const policyDigests = await applyPolicy(cluster, types)
  const assignKeyIds = JSON.parse(cluster.assignKeys).keys.map(({ kid }: { kid: string }) => kid)
  const free = [...addresses]
  const postgres = createPostgres(cluster.databaseUrl, silent, 1)
  const ledger = createPostgresPoolPods(postgres)
  try {
    for (const agentType of types) {
      const pods = await createReadyPods({
        kube: cluster.kube,
        addresses: free.splice(0, each),
        assignKeyIds,
        agentType,
        spec: { template },
        policyDigest: policyDigests.get(agentType) ?? '',
      })
      const hash = templateHash(agentType, { template } as PoolSpec)
      const notes = pods.map(
        ({ uid, specDigest }): PoolPod => ({ podUid: uid, agentType, templateHash: hash, specDigest }),
      )
      await ledger.note(notes)
      await place(pods.map(({ ip, uid }) => ({ ip, uid })))
    }
    await postgres.durable.query('ANALYZE')
  } finally {
    await postgres.close()
  }
}

/** The policy of the manifests with the row of the echo agent for each type. Resolves with the digest of each row. */
async function applyPolicy(
  { plane, folder }: BareCluster,
  types: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const configMap = parse(await readFile(join(root, 'manifests/base/agent-policy.yaml'), 'utf8')) as {
    data: Record<string, string>
  }
  const policy = parse(configMap.data[configMapKey.policy] ?? '') as { agentTypes: Record<string, unknown> }
  const row = policy.agentTypes['echo-agent']
  const agentTypes = { ...policy.agentTypes, ...Object.fromEntries(types.map((type) => [type, row])) }
  const text = stringify({ ...policy, agentTypes }, { aliasDuplicateObjects: false })
  const path = join(folder, 'agent-policy.yaml')
  await writeFile(path, stringify({ ...configMap, data: { [configMapKey.policy]: text } }))
  await plane.apply([path])
  const checked = checkPolicy(text)
  if (!checked.ok) throw new Error(`the policy is not valid: ${checked.problems.join('; ')}`)
  const digests = types.map((type): [string, string] => {
    const found = effectiveRow(type, checked.value)
    if (!found) throw new Error(`no row for ${type}`)
    return [type, rowDigest(found)]
  })
  return new Map(digests)
}

async function startRoles(bed: GreenroomBed, version: RoleVersion): Promise<StartedRoles> {
  const { name, folder = root, replicas, profiles } = version
  const startMs: Record<string, number> = {}
  const targets: LoadTarget[] = []
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const began = performance.now()
    const result = await work()
    startMs[what] = Math.round(performance.now() - began)
    return result
  }
  const apis = Array.from({ length: replicas }, (_, n) => `api-${n + 1}`)
  for (const api of apis) {
    const nodeArgs = profiles !== undefined && api === 'api-1' ? profiled(profiles, 'api') : []
    targets.push(await timed(api, () => bed.startVariant({ name: `${name}${api}`, folder, nodeArgs })))
  }
  const opsPort = await freePort()
  const controllerOpsUrl = `http://127.0.0.1:${opsPort}`
  await timed('controller', async () => {
    const nodeArgs = profiles === undefined ? [] : profiled(profiles, 'controller')
    await bed.startController({ folder, opsPort, nodeArgs })
    // It is measured here, so it gets its share of the cores.
    setPace(bed.roles.get('controller')?.pid ?? 0, 'serving')
    await until('the controller to lead', () => isLeading(controllerOpsUrl), readyTimeoutMs)
  })
  const programs = new Map([
    ...apis.map((api) => [api, bed.roles.get(`${name}${api}`)] as const),
    ['controller', bed.roles.get('controller')] as const,
  ])
  const pids = Object.fromEntries([...programs].map(([role, program]) => [role, program?.pid ?? 0]))
  return {
    targets,
    pids,
    startMs,
    controllerOpsUrl,
    toggleProfiles() {
      if (profiles === undefined) return
      for (const role of ['api-1', 'controller']) process.kill(pids[role] ?? 0, 'SIGUSR2')
    },
    async stop() {
      await Promise.all([...programs.values()].map(async (program) => program?.stop('SIGTERM', 12_000)))
    },
  }
}

function profiled(folder: string, role: string): readonly string[] {
  const program = new URL('./api-profile.ts', import.meta.url)
  program.searchParams.set('folder', join(folder, role))
  mkdirSync(join(folder, role), { recursive: true })
  return ['--import', program.href]
}

async function isLeading(opsUrl: string): Promise<boolean> {
  try {
    const answer = await fetch(`${opsUrl}/metrics`)
    return /^greenroom_leader 1$/m.test(await answer.text())
  } catch {
    // Not listening yet.
    return false
  }
}

import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { root } from '../../bed/repository.ts'
import type { Bench, BenchOptions } from './bench.ts'
import { namespace, startStoreBed } from './bench-bed.ts'
import { startBenchProcess } from './bench-process.ts'
import type { BenchResult } from './bench-report.ts'
import { cpuMsOf } from './cpu-meter.ts'
import type { InformerCalls, InformerFacts } from './informer-program.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { startLoadGenerator } from './load-generator.ts'
import { memoryMbOf } from './memory-meter.ts'
import { type RoleVersion, type ScaleBed, type StartedRoles, startScaleBed } from './scale-bed.ts'
import { measureRebuilds } from './scale-index.ts'
import { readHistogram, type Spread, spreadBetween } from './scrape.ts'
import { costsEach, type EngineCounts, readCounts, type SessionCosts } from './session-costs.ts'

/** What grows with the number of pods: starts, memory, processor time at rest and under load, reconciles, claims. */
export const bench: Bench = {
  summary:
    'many pods and pools, several replicas: starts, memory, processor time at rest and at a steady rate',
  options: {
    /** One or several, each with a cluster and stores of its own; the loads take turns. */
    pods: { type: 'string', default: '1000' },
    'pods-a-pool': { type: 'string', default: '50' },
    replicas: { type: 'string', default: '3' },
    /** Opens a second, over all replicas and pools; each session ends after two seconds and its pod is replaced. 0: none. */
    rate: { type: 'string', default: '50' },
    'rest-seconds': { type: 'string', default: '30' },
    'load-seconds': { type: 'string', default: '10' },
    rounds: { type: 'string', default: '2' },
    /** Slots of one pool whose index is rebuilt; empty: none. */
    slots: { type: 'string', default: '10000,100000' },
    /** Checkout of another version: its processes rest first, on the same pods. */
    against: { type: 'string', default: '' },
    /** Folder for CPU profiles of the first replica and the controller: at rest, and at the rate. */
    profile: { type: 'string', default: '' },
  },
  run: runScaleBench,
}

/** What a process did for a while. */
interface Usage {
  readonly seconds: number
  /** Of one core. */
  readonly cpuPercent: Readonly<Record<string, number>>
  readonly memoryMb: Readonly<Record<string, number>>
  /** Of pools, by the controller; undefined for a version that does not measure them. */
  readonly reconciles: Spread | undefined
}

interface ScaleStep {
  readonly pods: number
  readonly pools: number
  readonly informer: Readonly<Record<string, InformerFacts>>
  readonly startMs: Readonly<Record<string, number>>
  readonly atRest: Readonly<Record<string, Usage>>
  readonly atRate: Usage | undefined
  readonly row: BenchRow | undefined
  /** Of one session, from its open until its pod is replaced. */
  readonly costs: SessionCosts | undefined
  /** Processor time of each process for one session, beyond what it takes at rest. */
  readonly cpuMsEach: Readonly<Record<string, number>> | undefined
  readonly statuses: Readonly<Record<number, number>>
}

async function runScaleBench(options: BenchOptions, say: (line: string) => void): Promise<BenchResult> {
  const rebuilds = await runRebuilds(options, say)
  const sizes = listOf(options.pods)
  const steps: Running[] = []
  try {
    for (const pods of sizes) steps.push(await startStep(pods, options, say))
    for (let round = 0; round <= Number(options.rounds) && Number(options.rate) > 0; round += 1)
      for (const step of steps) await step.load(round > 0)
    const results = steps.map((step) => step.result())
    for (const result of results) say(JSON.stringify(result))
    return { rows: results.flatMap(({ row }) => row ?? []), steps: results, rebuilds }
  } finally {
    for (const step of steps.reverse()) await step.stop()
  }
}

function listOf(option: string | boolean | undefined): readonly number[] {
  return String(option)
    .split(',')
    .filter((part) => part !== '')
    .map(Number)
}

function versionsIn({ against }: BenchOptions): Readonly<Record<string, string>> {
  return { ...(against !== '' && { before: resolve(String(against)) }), now: root }
}

async function runRebuilds(options: BenchOptions, say: (line: string) => void) {
  const slots = listOf(options.slots)
  if (slots.length === 0) return []
  const bed = await startStoreBed({ say })
  try {
    const rows = await measureRebuilds(bed, slots, versionsIn(options))
    for (const row of rows) say(`index: ${JSON.stringify(row)}`)
    return rows
  } finally {
    await bed.stop()
  }
}

interface Running {
  /** One round at the rate. `counts`: not the first, in which code is compiled. */
  load(counts: boolean): Promise<void>
  result(): ScaleStep
  stop(): Promise<void>
}

/** Rest of the sessions of a round: they end, and their pods are replaced. */
const settleMs = 6_000
const sessionMs = 2_000

async function startStep(pods: number, options: BenchOptions, say: (line: string) => void): Promise<Running> {
  const rate = Number(options.rate)
  const pools = Math.max(1, Math.round(pods / Number(options['pods-a-pool'])))
  // Pods that serve, start or end beside those that are idle.
  const bed = await startScaleBed({ pods, pools, more: rate * 12, say })
  try {
    const informer: Record<string, InformerFacts> = {}
    const atRest: Record<string, Usage> = {}
    const versions = Object.entries(versionsIn(options))
    for (const [name, folder] of versions) informer[name] = await measureInformer(bed, folder)
    say(`informer: ${JSON.stringify(informer)}`)
    let roles: StartedRoles | undefined
    let counts: [EngineCounts, EngineCounts] | undefined
    for (const [name, folder] of versions) {
      await roles?.stop()
      const profiles = options.profile === '' ? undefined : resolve(String(options.profile), String(pods))
      const version: RoleVersion = { name: `${name}-`, folder, replicas: Number(options.replicas), profiles }
      roles = await bed.startRoles(version)
      // What a start leaves to do: the first reconciles, the first look for drift (0.3 ms a pod), statistics.
      await setTimeout(settleMs + pods)
      const before = await readCounts(bed)
      atRest[name] = await measureUsage(bed, roles, () => setTimeout(Number(options['rest-seconds']) * 1_000))
      counts = [before, await readCounts(bed)]
      say(`${pods} pods at rest, ${name}: ${JSON.stringify(atRest[name])}`)
    }
    if (!roles || !counts) throw new Error('no version to measure')
    return withLoad({ bed, roles, pods, pools, informer, atRest, restCounts: counts, options })
  } catch (error) {
    await bed.stop()
    throw error
  }
}

async function measureInformer(bed: ScaleBed, folder: string): Promise<InformerFacts> {
  const program = fileURLToPath(new URL('./informer-program.ts', import.meta.url))
  const process = startBenchProcess<InformerCalls>({ program, logPath: join(bed.folder, 'informer.log') })
  try {
    return await process.call('measure', { folder, kubeconfig: bed.kubeletConfig, namespace })
  } finally {
    await process.stop()
  }
}

async function measureUsage(
  bed: ScaleBed,
  roles: StartedRoles,
  work: () => Promise<unknown>,
): Promise<Usage> {
  const processes = {
    ...roles.pids,
    webhook: bed.roles.get('webhook')?.pid,
    postgresql: bed.postgres.pid,
    redis: bed.redis.pid,
    'kube-apiserver': bed.plane.pids['kube-apiserver'],
    etcd: bed.plane.pids.etcd,
  }
  const reconciles = () =>
    readHistogram(roles.controllerOpsUrl, 'greenroom_reconcile_seconds', 'controller="pools"')
  const [seen, before, began] = [await reconciles(), cpuMsOf(processes), performance.now()]
  roles.toggleProfiles()
  await work()
  roles.toggleProfiles()
  const [after, tookMs] = [cpuMsOf(processes), performance.now() - began]
  const percent = ([name, ms]: [string, number]): [string, number] => [
    name,
    Math.round(((ms - (before[name] ?? 0)) / tookMs) * 1_000) / 10,
  ]
  return {
    seconds: Math.round(tookMs / 100) / 10,
    cpuPercent: Object.fromEntries(Object.entries(after).map(percent)),
    memoryMb: memoryMbOf(processes),
    reconciles: spreadBetween(seen, await reconciles()),
  }
}

interface Loaded {
  readonly bed: ScaleBed
  readonly roles: StartedRoles
  readonly pods: number
  readonly pools: number
  readonly informer: Readonly<Record<string, InformerFacts>>
  readonly atRest: Readonly<Record<string, Usage>>
  readonly restCounts: readonly [EngineCounts, EngineCounts]
  readonly options: BenchOptions
}

function withLoad({ bed, roles, pods, pools, informer, atRest, restCounts, options }: Loaded): Running {
  const { targets, startMs } = roles
  const load = startLoadGenerator(join(bed.folder, 'load.log'))
  bed.onStop(() => load.stop())
  const recorder = createLatencyRecorder()
  const statuses: Record<number, number> = {}
  let atRate: Usage | undefined
  let costs: SessionCosts | undefined
  let cpuMsEach: Readonly<Record<string, number>> | undefined
  const perReplica = Number(options.rate) / targets.length
  const bodies = bed.types.map((agentType) =>
    JSON.stringify({ agentType, participant: { identity: 'caller' }, onEmpty: 'fail' }),
  )

  /** Resolves with the number of sessions that were opened. */
  async function round(counts: boolean): Promise<number> {
    const count = Math.round(perReplica * Number(options['load-seconds']))
    const results = await Promise.all(
      targets.map((target, position) =>
        load.call('run', {
          target,
          loop: { kind: 'open', perSecond: perReplica, lanes: Math.ceil(perReplica * 2) },
          count,
          warmUp: Math.floor(count / 10),
          // Each replica begins with another pool.
          bodies: bodies.map((_, n) => bodies[(n + position * 7) % bodies.length] ?? ''),
          endAfterMs: sessionMs,
        }),
      ),
    )
    const opened = results.reduce((sum, result) => sum + (result.statuses[201] ?? 0), 0)
    if (!counts) return opened
    for (const result of results) {
      recorder.take({ ...result, durationMs: result.durationMs / targets.length })
      for (const [status, times] of Object.entries(result.statuses))
        statuses[Number(status)] = (statuses[Number(status)] ?? 0) + times
    }
    return opened
  }

  return {
    async load(counts) {
      const before = await readCounts(bed)
      let opened = 0
      const usage = await measureUsage(bed, roles, async () => {
        opened = await round(counts)
      })
      if (counts) {
        atRate = usage
        cpuMsEach = beyondRest(usage, atRest, opened)
      }
      await setTimeout(settleMs)
      if (opened > 0) costs = costsEach(restCounts, [before, await readCounts(bed)], opened)
    },
    result: () => ({
      pods,
      pools,
      informer,
      startMs,
      atRest,
      atRate,
      row: atRate && recorder.row(`open, ${pods} pods, ${String(options.rate)}/s`, targets.length),
      costs,
      cpuMsEach,
      statuses,
    }),
    stop: () => bed.stop(),
  }
}

/** The rest is that of the version which is under load, the last one. */
function beyondRest(
  { cpuPercent, seconds }: Usage,
  atRest: Readonly<Record<string, Usage>>,
  sessions: number,
): Readonly<Record<string, number>> {
  const rest = Object.values(atRest).at(-1)?.cpuPercent ?? {}
  const msOf = ([name, percent]: [string, number]): [string, number] => [
    name,
    Math.round((((percent - (rest[name] ?? 0)) * seconds * 10) / Math.max(1, sessions)) * 100) / 100,
  ]
  return Object.fromEntries(Object.entries(cpuPercent).map(msOf))
}

import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { poolsDocument } from '../../bed/pools-document.ts'
import { root } from '../../bed/repository.ts'
import { runAgainstTurns } from './against-turns.ts'
import { startAgentsProcess } from './agents-process.ts'
import { runAuthTurns } from './auth-turns.ts'
import type { Bench, BenchOptions } from './bench.ts'
import { agentType, type GreenroomBed, startGreenroomBed } from './bench-bed.ts'
import { createReadyPods } from './bench-pods.ts'
import type { BenchResult } from './bench-report.ts'
import {
  type Baseline,
  measureFastify,
  measureLua,
  measurePost,
  measureSql,
  timesFloors,
} from './claim-baselines.ts'
import { type ClaimStock, createClaimStock } from './claim-stock.ts'
import { cpuMsOf, createCpuSums } from './cpu-meter.ts'
import { runDecisionBench } from './decision-bench.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { type LoadGenerator, type LoadSpec, startLoadGenerator } from './load-generator.ts'
import { meanStageMs, stageSums } from './stage-meter.ts'

/** Opens from stock through the whole session API, and beside them what their parts cost alone. */
export const bench: Bench = {
  summary:
    'opens from a full pool, everything on; baselines beside them (--no-delivery: reserve and commit only)',
  options: {
    pool: { type: 'string', default: '2000' },
    concurrency: { type: 'string', default: '1,8,32,64' },
    rounds: { type: 'string', default: '3' },
    'no-delivery': { type: 'boolean', default: false },
    'no-baselines': { type: 'boolean', default: false },
    'no-open-loop': { type: 'boolean', default: false },
    /** With an Idempotency-Key in each request. */
    keys: { type: 'boolean', default: false },
    /** key, oidc or serviceaccount: such a credential by turns with a bootstrap key, and nothing else. */
    auth: { type: 'string', default: '' },
    /** Folder of another checkout with its packages: opens of both by turns, and nothing else. */
    against: { type: 'string', default: '' },
    /** Folder for a CPU profile of the API process for each case. */
    profile: { type: 'string', default: '' },
    /** More arguments of node for the API process, separated by blanks. */
    'api-node-args': { type: 'string', default: '' },
  },
  run: runClaimsBench,
}

export interface ClaimsSettings {
  readonly pool: number
  readonly concurrencies: readonly number[]
  readonly rounds: number
  readonly warmUp: number
}

function settingsOf(options: BenchOptions): ClaimsSettings {
  const pool = Number(options.pool)
  return {
    pool,
    concurrencies: String(options.concurrency).split(',').map(Number),
    rounds: Number(options.rounds),
    // A tenth: long enough for connections and code, and nine tenths are left to measure.
    warmUp: Math.floor(pool / 10),
  }
}

export async function runClaimsBench(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  if (options['no-delivery']) return runDecisionBench(options, say)
  if (options.auth !== '') return runAuthTurns(options, say)
  if (options.against !== '') return runAgainstTurns(options, say)
  const settings = settingsOf(options)
  const profile = await profileFolder(options)
  const bed = await startGreenroomBed({
    say,
    pools: poolsDocument({ min: settings.pool, max: settings.pool }),
    webhook: false,
    apiNodeArgs: apiNodeArgs(options, profile),
    body: {
      agentType,
      projectId: 'bench',
      participant: { identity: 'caller' },
      metadata: { topic: 'bench' },
    },
  })
  try {
    return await measure({ bed, settings, options, profile, say })
  } finally {
    await bed.stop()
  }
}

async function profileFolder(options: BenchOptions): Promise<string | undefined> {
  if (options.profile === '') return undefined
  const folder = resolve(String(options.profile))
  await mkdir(folder, { recursive: true })
  return folder
}

function apiNodeArgs(options: BenchOptions, profile: string | undefined): readonly string[] {
  const more = String(options['api-node-args'])
    .split(' ')
    .filter((arg) => arg !== '')
  if (profile === undefined) return more
  const program = pathToFileURL(join(root, 'test/bench/api-profile.ts'))
  program.searchParams.set('folder', profile)
  return [...more, '--import', program.href]
}

interface Measuring {
  readonly bed: GreenroomBed
  readonly settings: ClaimsSettings
  readonly options: BenchOptions
  readonly profile: string | undefined
  readonly say: (line: string) => void
}

async function measure(measuring: Measuring): Promise<BenchResult> {
  const { bed, settings, options, say } = measuring
  const agents = startAgentsProcess(join(bed.folder, 'agents.log'))
  bed.onStop(() => agents.stop())
  const { addresses, rssMb } = await agents.call('start', {
    count: settings.pool,
    assignKeys: bed.assignKeys,
  })
  say(`${addresses.length} agents listen in one process of ${rssMb} MB`)
  const pods = await createReadyPods({ ...bed, agentType, addresses })
  await agents.call('place', pods)
  say(`${pods.length} pods are Ready in the API server`)
  await bed.startApi()
  const stock = await createClaimStock(bed)
  bed.onStop(() => stock.close())
  const load = startLoadGenerator(join(bed.folder, 'load.log'))
  bed.onStop(() => load.stop())
  const podUids = pods.map(({ uid }) => uid)
  const freshAgents = () => agents.call('reset', undefined)
  const cpuMsPerOpen: Record<string, Record<string, number>> = {}
  const stageMeanMs: Record<string, Record<string, number>> = {}
  const claims = createClaimCases({
    ...measuring,
    load,
    cpuMsPerOpen,
    stageMeanMs,
    cpuMs: () =>
      cpuMsOf({
        api: bed.roles.get('api')?.pid,
        agents: agents.pid,
        load: load.pid,
        redis: bed.redis.pid,
        postgres: bed.postgres.pid,
      }),
    stock,
    freshStock: async () => {
      await freshAgents()
      await stock.refill({ [agentType]: podUids })
    },
  })
  await claims.warmUp()
  const rows: BenchRow[] = []
  for (const concurrency of settings.concurrencies) rows.push(await claims.closed(concurrency))
  const capacity = Math.max(...rows.map(({ perSecond }) => perSecond))
  if (!options['no-open-loop']) rows.push(await claims.open(Math.max(1, Math.round(capacity / 2))))
  const { held, refused } = await agents.call('tally', undefined)
  say(`after the last case ${held} agents hold a session, ${refused} deliveries were refused`)
  const baselines = options['no-baselines']
    ? []
    : await measureBaselines(measuring, { stock, load, pods, freshAgents })
  const all = [...rows, ...baselines]
  const floors = timesFloors(all)
  if (baselines.length > 0) say(`p50 of opens as multiples of their floors: ${JSON.stringify(floors)}`)
  return {
    rows: all,
    timesFloors: floors,
    capacityPerSecond: capacity,
    agentsRssMb: rssMb,
    held,
    refused,
    cpuMsPerOpen,
    stageMeanMs,
  }
}

interface ClaimCases extends Measuring {
  readonly load: LoadGenerator
  readonly stock: ClaimStock
  readonly freshStock: () => Promise<void>
  readonly cpuMs: () => Record<string, number>
  /** By case and process; filled in by the cases. */
  readonly cpuMsPerOpen: Record<string, Record<string, number>>
  /** By case and stage, as the server measured them; filled in by the cases. */
  readonly stageMeanMs: Record<string, Record<string, number>>
}

function createClaimCases(cases: ClaimCases) {
  const { bed, settings, options, load, freshStock, profile, say } = cases
  const { pool, warmUp, rounds } = settings
  const idempotencyKeys = options.keys === true

  async function rowOf(name: string, concurrency: number, loop: LoadSpec['loop']): Promise<BenchRow> {
    const recorder = createLatencyRecorder()
    const cpu = createCpuSums()
    const stagesBefore = await stageSums(bed.opsUrl)
    for (let round = 1; round <= rounds; round += 1) {
      await freshStock()
      if (round === rounds) toggleProfile()
      const before = cases.cpuMs()
      const result = await load.call('run', {
        target: bed.target,
        loop,
        count: pool,
        warmUp,
        idempotencyKeys,
      })
      cpu.add(before, cases.cpuMs())
      if (round === rounds) toggleProfile()
      recorder.take(result)
      if (result.errors > 0) say(`${name}: ${JSON.stringify(result.statuses)}`)
    }
    cases.cpuMsPerOpen[name] = cpu.each(rounds * pool)
    cases.stageMeanMs[name] = meanStageMs(stagesBefore, await stageSums(bed.opsUrl))
    const row = recorder.row(name, concurrency)
    say(
      `${name}: ${row.perSecond}/s, p50 ${row.p50Ms} ms, p99 ${row.p99Ms} ms; CPU ms each ${JSON.stringify(cases.cpuMsPerOpen[name])}, stages ${JSON.stringify(cases.stageMeanMs[name])}`,
    )
    return row
  }

  function toggleProfile(): void {
    const pid = bed.roles.get('api')?.pid
    if (profile !== undefined && pid !== undefined) process.kill(pid, 'SIGUSR2')
  }

  return {
    /** Thrown away: the engine has compiled the API's code then. */
    async warmUp(): Promise<void> {
      const loop = { kind: 'closed', concurrency: 8 } as const
      for (let round = 0; round < warmUpRounds; round += 1) {
        await freshStock()
        await load.call('run', { target: bed.target, loop, count: pool, warmUp: 0, idempotencyKeys })
      }
    },
    closed: (concurrency: number) =>
      rowOf(`open, c=${concurrency}`, concurrency, { kind: 'closed', concurrency }),
    open: (perSecond: number) =>
      rowOf(`open, ${perSecond}/s open loop`, openLoopLanes, {
        kind: 'open',
        perSecond,
        lanes: openLoopLanes,
      }),
  }
}

/**
 * Of the whole pool. V8 goes on compiling for 15,000 opens (`--trace-opt`), and an open of the first 4,000 takes the API a
 * fifth more processor time than one of the last; an API runs for days.
 */
const warmUpRounds = 6

/** Connections of an open loop: more than are ever in use while the server keeps up. */
const openLoopLanes = 128

async function measureBaselines(
  { bed, settings, say }: Measuring,
  parts: Omit<Baseline, 'bed' | 'settings'>,
): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  const given = { bed, settings, ...parts }
  for (const [name, measureOne] of [
    ['bare fastify route', measureFastify],
    ['Lua script alone', measureLua],
    ['PostgreSQL statement alone', measureSql],
    ['POST to an agent alone', measurePost],
  ] as const) {
    rows.push(...(await measureOne(given)))
    say(`baseline: ${name}`)
  }
  return rows
}

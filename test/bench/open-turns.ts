import { join } from 'node:path'
import { poolsDocument } from '../../bed/pools-document.ts'
import { startAgentsProcess } from './agents-process.ts'
import type { BenchOptions } from './bench.ts'
import { type ApiVariant, agentType, type GreenroomBed, startGreenroomBed } from './bench-bed.ts'
import { createReadyPods } from './bench-pods.ts'
import { createClaimStock } from './claim-stock.ts'
import { cpuMsOf, createCpuSums } from './cpu-meter.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { type LoadGenerator, type LoadTarget, startLoadGenerator } from './load-generator.ts'

/**
 * Opens of several kinds by turns: each round opens the whole pool once for each of them, and the next round in the other
 * order. What the host does meanwhile then meets all of them.
 */

export interface TurnsBed {
  readonly bed: GreenroomBed
  readonly load: LoadGenerator
  /** Nothing is claimed and every agent is fresh. */
  readonly freshStock: () => Promise<void>
  /** Beside the API: those that every open has a part in. */
  readonly processes: Readonly<Record<string, number | undefined>>
}

/** `nodeArgs`: arguments of node for every role, beside those of production. */
export async function startTurnsBed(
  pool: number,
  say: (line: string) => void,
  { nodeArgs }: { readonly nodeArgs?: readonly string[] } = {},
): Promise<TurnsBed> {
  const bed = await startGreenroomBed({
    say,
    pools: poolsDocument({ min: pool, max: pool }),
    webhook: false,
    nodeArgs,
    body: {
      agentType,
      projectId: 'bench',
      participant: { identity: 'caller' },
      metadata: { topic: 'bench' },
    },
  })
  try {
    const agents = startAgentsProcess(join(bed.folder, 'agents.log'))
    bed.onStop(() => agents.stop())
    const { addresses } = await agents.call('start', { count: pool, assignKeys: bed.assignKeys })
    const pods = await createReadyPods({ ...bed, agentType, addresses })
    await agents.call('place', pods)
    const stock = await createClaimStock(bed)
    bed.onStop(() => stock.close())
    const load = startLoadGenerator(join(bed.folder, 'load.log'))
    bed.onStop(() => load.stop())
    const podUids = pods.map(({ uid }) => uid)
    return {
      bed,
      load,
      processes: { agents: agents.pid, load: load.pid, redis: bed.redis.pid, postgres: bed.postgres.pid },
      async freshStock() {
        await agents.call('reset', undefined)
        await stock.refill({ [agentType]: podUids })
      },
    }
  } catch (error) {
    await bed.stop()
    throw error
  }
}

export interface Turn {
  readonly name: string
  readonly target: LoadTarget
  /** Of the API process that it is about. */
  readonly pid: number | undefined
}

/** A replica of each version or setting over one bed. */
export async function startVariants(bed: GreenroomBed, variants: readonly ApiVariant[]): Promise<Turn[]> {
  const turns: Turn[] = []
  for (const variant of variants) {
    const target = await bed.startVariant(variant)
    turns.push({ name: variant.name, target, pid: bed.roles.get(variant.name)?.pid })
  }
  return turns
}

export interface TurnsSettings {
  readonly pool: number
  readonly rounds: number
  /** Callers of each case. */
  readonly concurrencies: readonly number[]
  /** Rounds of each case that are thrown away. */
  readonly warmUpRounds: number
}

export function turnsSettings(options: BenchOptions, warmUpRounds: number): TurnsSettings {
  return {
    pool: Number(options.pool),
    rounds: Number(options.rounds),
    concurrencies: String(options.concurrency).split(',').map(Number),
    warmUpRounds,
  }
}

/** Each against the first: its p50 less that of the first in the same round. */
export interface Difference {
  readonly case: string
  readonly concurrency: number
  readonly medianMs: number
  readonly lowestMs: number
  readonly highestMs: number
}

/** Processor time is that of each process, so of all versions where they share it, while this turn ran; ms an open. */
export async function measureTurns(
  turnsBed: TurnsBed,
  turns: readonly Turn[],
  settings: TurnsSettings,
  say: (line: string) => void,
) {
  const rows: BenchRow[] = []
  const differences: Difference[] = []
  const cpuMsPerOpen: Record<string, Record<string, Record<string, number>>> = {}
  for (const concurrency of settings.concurrencies) {
    const measured = await measureCase(turnsBed, turns, { ...settings, concurrency })
    rows.push(...measured.rows)
    differences.push(...measured.differences)
    cpuMsPerOpen[`c=${concurrency}`] = measured.cpuMsPerOpen
    for (const line of measured.differences) say(JSON.stringify(line))
    say(JSON.stringify(measured.cpuMsPerOpen))
  }
  return { rows, differences, cpuMsPerOpen }
}

async function measureCase(
  { load, freshStock, processes }: TurnsBed,
  turns: readonly Turn[],
  settings: Omit<TurnsSettings, 'concurrencies'> & { readonly concurrency: number },
) {
  const { pool, rounds, concurrency, warmUpRounds } = settings
  const measured = turns.map((turn) => ({
    turn,
    all: createLatencyRecorder(),
    cpu: createCpuSums(),
    p50s: [] as number[],
  }))
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    for (const { turn, all, cpu, p50s } of round % 2 === 0 ? measured : measured.toReversed()) {
      await freshStock()
      const cpuMs = () => cpuMsOf({ api: turn.pid, ...processes })
      const before = cpuMs()
      const loop = { kind: 'closed', concurrency } as const
      const spec = { target: turn.target, loop, count: pool, warmUp: Math.floor(pool / 10) }
      const result = await load.call('run', spec)
      if (round < 0) continue
      const one = createLatencyRecorder()
      one.take(result)
      all.take(result)
      cpu.add(before, cpuMs())
      p50s.push(one.row(turn.name, concurrency).p50Ms)
    }
  }
  const [first] = measured
  return {
    rows: measured.map(({ turn, all }): BenchRow => all.row(`${turn.name}, c=${concurrency}`, concurrency)),
    differences: measured.slice(1).map(({ turn, p50s }): Difference => {
      const sorted = p50s.map((p50, round) => p50 - (first?.p50s[round] ?? 0)).toSorted((a, b) => a - b)
      const at = (share: number) =>
        Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 1_000) / 1_000
      return { case: turn.name, concurrency, medianMs: at(0.5), lowestMs: at(0), highestMs: at(1) }
    }),
    cpuMsPerOpen: Object.fromEntries(measured.map(({ turn, cpu }) => [turn.name, cpu.each(rounds * pool)])),
  }
}

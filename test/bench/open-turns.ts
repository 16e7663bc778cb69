import { join } from 'node:path'
import { poolsDocument } from '../../bed/pools-document.ts'
import { startAgentsProcess } from './agents-process.ts'
import { agentType, type GreenroomBed, startGreenroomBed } from './bench-bed.ts'
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

export interface TurnsSettings {
  readonly pool: number
  readonly rounds: number
  readonly concurrency: number
  /** Rounds that are thrown away. */
  readonly warmUpRounds: number
}

/** Each against the first: its p50 less that of the first in the same round. */
export interface Difference {
  readonly case: string
  readonly concurrency: number
  readonly medianMs: number
  readonly lowestMs: number
  readonly highestMs: number
}

export async function measureTurns(
  { load, freshStock }: TurnsBed,
  turns: readonly Turn[],
  settings: TurnsSettings,
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
      const before = cpuMsOf({ api: turn.pid })
      const loop = { kind: 'closed', concurrency } as const
      const spec = { target: turn.target, loop, count: pool, warmUp: Math.floor(pool / 10) }
      const result = await load.call('run', spec)
      if (round < 0) continue
      const one = createLatencyRecorder()
      one.take(result)
      all.take(result)
      cpu.add(before, cpuMsOf({ api: turn.pid }))
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
    cpuMsPerOpen: Object.fromEntries(
      measured.map(({ turn, cpu }) => [turn.name, cpu.each(rounds * pool).api ?? 0]),
    ),
  }
}

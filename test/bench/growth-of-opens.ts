import { join } from 'node:path'
import { startAgentsProcess } from './agents-process.ts'
import type { BenchOptions } from './bench.ts'
import { type GreenroomBed, startGreenroomBed } from './bench-bed.ts'
import { createReadyPods } from './bench-pods.ts'
import { createClaimStock } from './claim-stock.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { startLoadGenerator } from './load-generator.ts'
import type { Measured } from './load-loop.ts'

/** One pool for each size, all in the same API server, informer and index; the sizes take turns. */
export async function runGrowthOfOpens(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<readonly BenchRow[]> {
  const sizes = String(options.opens).split(',').map(Number)
  const bed = await startGreenroomBed({ say, pools: poolsOf(sizes), webhook: false, body: {} })
  try {
    return await measureSizes(bed, sizes, options)
  } finally {
    await bed.stop()
  }
}

const typeOf = (size: number) => `pool-of-${size}`

function poolsOf(sizes: readonly number[]): string {
  const pool = (size: number) => [
    typeOf(size),
    { template: { image: 'greenroom:0.1.0' }, min: size, max: size },
  ]
  // JSON is YAML.
  return JSON.stringify({ pools: Object.fromEntries(sizes.map(pool)) })
}

async function measureSizes(
  bed: GreenroomBed,
  sizes: readonly number[],
  options: BenchOptions,
): Promise<readonly BenchRow[]> {
  const stock = await startStock(bed, sizes)
  const load = startLoadGenerator(join(bed.folder, 'load.log'))
  bed.onStop(() => load.stop())
  const recorders = sizes.map(() => createLatencyRecorder())
  const opens = Number(options.claims)
  const openSome = (size: number, count: number): Promise<Measured> => {
    const body = JSON.stringify({ agentType: typeOf(size), participant: { identity: 'caller' } })
    const loop = { kind: 'closed', concurrency: 1 } as const
    return load.call('run', { target: { ...bed.target, body }, loop, count, warmUp: 0 })
  }
  for (let round = 0; round <= Number(options.rounds); round += 1) {
    for (const [position, size] of sizes.entries()) {
      for (let opened = 0; opened < opens; opened += size) {
        await stock.refill()
        const measured = await openSome(size, Math.min(size, opens - opened))
        // The first round compiles the API's code.
        if (round > 0) recorders[position]?.take(measured)
      }
    }
  }
  return sizes
    .map((size, position) => recorders[position]?.row(`whole opens, pool of ${size}`, 1))
    .filter((row) => row !== undefined)
}

/** Pods, agents and index; the function makes all of them fresh again. */
async function startStock(bed: GreenroomBed, sizes: readonly number[]): Promise<{ refill(): Promise<void> }> {
  const agents = startAgentsProcess(join(bed.folder, 'agents.log'))
  bed.onStop(() => agents.stop())
  const count = sizes.reduce((sum, size) => sum + size, 0)
  const addresses = [...(await agents.call('start', { count, assignKeys: bed.assignKeys })).addresses]
  const slots: Record<string, readonly string[]> = {}
  for (const size of sizes) {
    const agentType = typeOf(size)
    const pods = await createReadyPods({ ...bed, agentType, addresses: addresses.splice(0, size) })
    await agents.call('place', pods)
    slots[agentType] = pods.map(({ uid }) => uid)
  }
  bed.say(`${count} pods are Ready in the API server`)
  await bed.startApi()
  const stock = await createClaimStock(bed)
  bed.onStop(() => stock.close())
  return {
    async refill() {
      await agents.call('reset', undefined)
      await stock.refill(slots)
    },
  }
}

import { createPostgres } from '../../src/stores/postgres-client.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import type { Bench, BenchOptions } from './bench.ts'
import { agentType, silent, startStoreBed } from './bench-bed.ts'
import { newOpenRecord, newSessionId } from './bench-records.ts'
import type { BenchResult } from './bench-report.ts'
import { type ClaimStock, createClaimStock } from './claim-stock.ts'
import { runGrowthOfOpens } from './growth-of-opens.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { type Measured, runClosedLoop, type Send } from './load-loop.ts'

/** Whether a claim stays as fast when the pools grow: one at a time, so that nothing but the claim is in the times. */
export const bench: Bench = {
  summary: 'claim time against the number of idle slots and of pools; the decision alone, and whole opens',
  options: {
    slots: { type: 'string', default: '10,100,1000,10000' },
    pools: { type: 'string', default: '1,10,200' },
    claims: { type: 'string', default: '400' },
    rounds: { type: 'string', default: '6' },
    /** Pools of which whole opens are measured, agents included; each needs its pods in the API server. */
    opens: { type: 'string', default: '10,100,1000' },
  },
  run: runGrowthBench,
}

interface GrowthCase {
  readonly name: string
  readonly pools: readonly string[]
  readonly slots: number
}

export async function runGrowthBench(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const decisions = await runDecisions(options, say)
  const opens = options.opens === '' ? [] : await runGrowthOfOpens(options, say)
  const rows = [...decisions, ...opens]
  return { rows, ratios: ratiosOf(rows) }
}

/** p50 of each case as a multiple of the first of its kind, which is the smallest. */
export function ratiosOf(rows: readonly BenchRow[]): Record<string, number> {
  const kindOf = (name: string) => name.split(',')[0] ?? ''
  const ratio = (row: BenchRow): [string, number] => {
    const smallest = rows.find((other) => kindOf(other.case) === kindOf(row.case))
    return [row.case, Math.round((row.p50Ms / (smallest?.p50Ms ?? row.p50Ms)) * 100) / 100]
  }
  return Object.fromEntries(rows.map(ratio))
}

/** Reserve and commit through the stores. Cases take turns, so that what else the machine does meets all of them. */
async function runDecisions(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<readonly BenchRow[]> {
  const bed = await startStoreBed({ say })
  const stock = await createClaimStock(bed)
  const postgres = createPostgres(bed.databaseUrl, silent)
  const claimOne = createClaimOne(stock, createPostgresSessionStore(postgres))
  const cases = casesOf(options)
  const recorders = cases.map(() => createLatencyRecorder())
  try {
    for (let round = 0; round <= Number(options.rounds); round += 1) {
      for (const [position, growthCase] of cases.entries()) {
        await stock.refill(slotsOf(growthCase))
        const measured = await measureCase(growthCase, Number(options.claims), claimOne)
        // The first round compiles code.
        if (round > 0) recorders[position]?.take(measured)
      }
    }
  } finally {
    await postgres.close()
    await stock.close()
    await bed.stop()
  }
  return cases
    .map(({ name }, position) => recorders[position]?.row(name, 1))
    .filter((row) => row !== undefined)
}

function casesOf(options: BenchOptions): readonly GrowthCase[] {
  const numbers = (option: unknown) => String(option).split(',').map(Number)
  const named = (count: number) => Array.from({ length: count }, (_, index) => `${agentType}-${index}`)
  return [
    ...numbers(options.slots).map((slots) => ({ name: `idle slots, ${slots}`, pools: named(1), slots })),
    // As many slots in all, so that only the number of pools differs.
    ...numbers(options.pools).map((pools) => ({
      name: `pools, ${pools}`,
      pools: named(pools),
      slots: 2_000,
    })),
  ]
}

function slotsOf({ pools, slots }: GrowthCase): Record<string, readonly string[]> {
  const each = Math.ceil(slots / pools.length)
  return Object.fromEntries(pools.map((pool) => [pool, Array.from({ length: each }, newSessionId)]))
}

type ClaimOne = (pool: string) => Promise<boolean>

function measureCase({ pools }: GrowthCase, claims: number, claimOne: ClaimOne): Promise<Measured> {
  const send: Send = (index) => claimOne(pools[index % pools.length] ?? '').catch(() => false)
  return runClosedLoop({ concurrency: 1, count: claims, warmUp: Math.floor(claims / 10) }, send)
}

/** Another slot takes the place of each claimed one, behind the answer: the number of idle slots stays what it is. */
function createClaimOne(
  stock: ClaimStock,
  sessions: ReturnType<typeof createPostgresSessionStore>,
): ClaimOne {
  return async (pool) => {
    const record = newOpenRecord(newSessionId(), pool)
    const reservation = await stock.index.reserve({ agentType: pool, sessionId: record.id, attempt: 1 })
    if (reservation.kind !== 'reserved') return false
    const pod = { ...record.pod, uid: reservation.podUid }
    const { kind } = await sessions.commitOpen({ ...record, pod })
    void stock.index.settle(pool, record.id, reservation.podUid)
    const podUid = newSessionId()
    void stock
      .note(pool, [podUid])
      .then(() => stock.index.add(pool, [{ podUid, rank: Number.MAX_SAFE_INTEGER }]))
    return kind === 'committed'
  }
}

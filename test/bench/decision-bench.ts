import { createPostgres } from '../../src/stores/postgres-client.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import type { BenchOptions } from './bench.ts'
import { agentType, silent, startStoreBed } from './bench-bed.ts'
import { newOpenRecord, newSessionId } from './bench-records.ts'
import type { BenchResult } from './bench-report.ts'
import { rowsOf } from './claim-baselines.ts'
import { createClaimStock } from './claim-stock.ts'
import { runClosedLoop, type Send } from './load-loop.ts'

/** `claims --no-delivery`: who gets which pod, durably, through the stores in this process; no HTTP, no agent. */

/** No pod stands behind these slots, so there may be enough of them for a case to last seconds. */
const defaultSlots = 20_000
const concurrencies = [1, 8, 64]

export async function runDecisionBench(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const slots = options.pool === '2000' ? defaultSlots : Number(options.pool)
  const rounds = Number(options.rounds)
  const bed = await startStoreBed({ say })
  const stock = await createClaimStock(bed)
  const postgres = createPostgres(bed.databaseUrl, silent)
  const sessions = createPostgresSessionStore(postgres)
  const decide: Send = async () => {
    const record = newOpenRecord(newSessionId())
    const reservation = await stock.index.reserve({ agentType, sessionId: record.id, attempt: 1 })
    if (reservation.kind !== 'reserved') return false
    const pod = { ...record.pod, uid: reservation.podUid }
    const { kind } = await sessions.commitOpen({ ...record, pod })
    // As the session API does it: behind the answer.
    void stock.index.settle(agentType, record.id, pod.uid)
    return kind === 'committed'
  }
  const send: Send = (index) => decide(index).catch(() => false)
  const uids = Array.from({ length: slots }, newSessionId)
  const once = async (concurrency: number, count: number) => {
    await stock.refill({ [agentType]: uids })
    return runClosedLoop({ concurrency, count, warmUp: Math.floor(count / 10) }, send)
  }
  try {
    await once(8, Math.min(slots, 2_000))
    // One at a time needs no more than a few seconds' worth.
    const rows = await rowsOf('decision only', { concurrencies, rounds }, (concurrency) =>
      once(concurrency, concurrency === 1 ? Math.ceil(slots / 8) : slots),
    )
    return { rows }
  } finally {
    await postgres.close()
    await stock.close()
    await bed.stop()
  }
}

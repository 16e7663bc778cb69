import type { SlotIndex } from '../domain/index-ports.ts'
import type { PoolHistoryLedger, PoolSample } from '../domain/pool-history.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { every } from '../timing/every.ts'

interface PoolHistoryNotesDeps {
  readonly history: Pick<PoolHistoryLedger, 'add'>
  readonly index: Pick<SlotIndex, 'waiting'>
  readonly metrics: Metrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

/** Often enough to meet each minute early, and to try again within it. */
const lookEveryMs = 10_000
const minuteMs = 60_000

/** Notes once a minute how each pool is, for the drawings of a dashboard. What it says is what `greenroom_pool_slots` says. */
export function createPoolHistoryNotes({ history, index, metrics, logger, now }: PoolHistoryNotesDeps) {
  let notedMinute: number | undefined

  async function samples(): Promise<PoolSample[]> {
    const { values } = await metrics.poolSlots.get()
    const byType = Map.groupBy(values, ({ labels }) => String(labels.agent_type))
    return Promise.all(
      [...byType].map(async ([agentType, slots]) => {
        const of = (state: string) => slots.find(({ labels }) => labels.state === state)?.value ?? 0
        const waiting = await index.waiting(agentType)
        return { agentType, idle: of('ready'), claimed: of('claimed'), waiting }
      }),
    )
  }

  /** Throws when PostgreSQL does not take the points; then the next look tries again. */
  async function look(): Promise<void> {
    const minute = Math.floor(now() / minuteMs)
    if (minute === notedMinute) return
    const pools = await samples()
    if (pools.length > 0) await history.add(pools)
    notedMinute = minute
  }

  return {
    look,
    run: (signal: AbortSignal): Promise<void> =>
      every({ name: 'pool-history', everyMs: lookEveryMs, signal, logger, metrics }, look),
  }
}

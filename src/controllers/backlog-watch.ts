import type { BacklogReader } from '../domain/backlog.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { every } from '../timing/every.ts'

interface BacklogWatchDeps {
  readonly backlog: BacklogReader
  readonly metrics: Metrics
  readonly logger: Logger
}

/** As often as Prometheus asks. */
const lookEveryMs = 15_000

/** What is not over and not told yet, for Prometheus: live sessions, events without a number, webhooks that fail. */
export function createBacklogWatch({ backlog, metrics, logger }: BacklogWatchDeps) {
  const { sessions, eventsUnnumbered, eventLagSeconds, webhooks, webhookFailingSeconds } = metrics

  async function look(): Promise<void> {
    const found = await backlog.read()
    // A type whose last session ended has no row any more.
    sessions.reset()
    for (const { agentType, status, count } of found.sessions)
      sessions.set({ agent_type: agentType, status }, count)
    eventsUnnumbered.set(found.events.unnumbered)
    eventLagSeconds.set(found.events.oldestSeconds)
    const { failingSeconds, ...states } = found.webhooks
    for (const [state, count] of Object.entries(states)) webhooks.set({ state }, count)
    webhookFailingSeconds.set(failingSeconds)
  }

  return {
    look,
    /** Looks until the signal, then says nothing any more: only the leader speaks for the installation. */
    async run(signal: AbortSignal): Promise<void> {
      try {
        await every({ name: 'backlog', everyMs: lookEveryMs, signal, logger, metrics }, look)
      } finally {
        for (const gauge of [sessions, eventsUnnumbered, eventLagSeconds, webhooks, webhookFailingSeconds])
          gauge.reset()
      }
    },
  }
}

import type { AuditLog } from '../domain/audit.ts'
import type { PodView } from '../domain/cluster-ports.ts'
import type { EventLog } from '../domain/event-ports.ts'
import { type LogPartitions, type PartitionedLog, partitionDays } from '../domain/log-partitions.ts'
import type { PodLifeLedger } from '../domain/pool-ports.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'

interface RetentionDeps {
  readonly ledger: Pick<ClaimLedger, 'noteGone' | 'purge'>
  readonly lives: Pick<PodLifeLedger, 'purge'>
  readonly auditLog: Pick<AuditLog, 'purge'>
  readonly eventLog: Pick<EventLog, 'purge'>
  readonly partitions: LogPartitions
  readonly pods: Pick<PodView, 'all' | 'synced'>
  /** How long an ended session is kept at least, ms; longer while a claim names it. Its key names it as long. */
  readonly sessionsAfterMs: number
  /** How long the life of a pod that is gone is kept for usage reports, ms. */
  readonly livesAfterMs: number
  readonly auditAfterMs: number
  readonly metrics: Metrics
  readonly logger: Logger
}

/** DESIGN §2: a pod's claim is kept until a day after the pod is gone, and its session at least as long. */
const claimsAfterMs = 24 * 3_600_000
/** Rows of a table in one statement. It takes milliseconds, so that no claim waits for it. */
const rowsAtOnce = 1_000

/**
 * Notes which pods are gone and deletes records that were kept long enough: all of them at one look, in small steps. Events and
 * the audit log go by whole partitions.
 */
export function createRetention(deps: RetentionDeps) {
  const {
    ledger,
    lives,
    auditLog,
    eventLog,
    partitions,
    pods,
    sessionsAfterMs,
    livesAfterMs,
    auditAfterMs,
    metrics,
    logger,
  } = deps
  /** Makes partitions ahead, and drops those that are over. Resolves with how many rows went. */
  async function turn(log: PartitionedLog, afterMs: number): Promise<number> {
    await partitions.add(log, partitionDays(afterMs))
    let rows = 0
    for (;;) {
      const dropped = await partitions.dropOldest(log, afterMs)
      if (dropped === undefined) return rows
      logger.info({ log, rows: dropped }, 'dropped a partition that was kept long enough')
      rows += dropped
    }
  }

  return async function look(signal: AbortSignal): Promise<void> {
    // Before the first list all pods would seem to be gone.
    if (!pods.synced()) return
    await ledger.noteGone(pods.all().map(({ uid }) => uid))
    metrics.purged.inc({ table: 'events' }, await turn('session_events', sessionsAfterMs))
    metrics.purged.inc({ table: 'audit' }, await turn('audit_log', auditAfterMs))
    for (;;) {
      const purged = {
        ...(await ledger.purge({ sessionsAfterMs, claimsAfterMs, limit: rowsAtOnce })),
        platformEvents: await eventLog.purge({ afterMs: sessionsAfterMs, limit: rowsAtOnce }),
        podLives: await lives.purge({ afterMs: livesAfterMs, limit: rowsAtOnce }),
        audit: await auditLog.purge({ afterMs: auditAfterMs, limit: rowsAtOnce }),
      }
      for (const [table, count] of Object.entries(purged)) metrics.purged.inc({ table }, count)
      const total = Object.values(purged).reduce((sum, count) => sum + count, 0)
      if (total > 0) logger.info(purged, 'deleted records that were kept long enough')
      if (signal.aborted || Math.max(...Object.values(purged)) < rowsAtOnce) return
    }
  }
}

export type Retention = ReturnType<typeof createRetention>

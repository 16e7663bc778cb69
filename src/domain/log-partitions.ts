/** The logs that are kept in partitions by time (ADR 50), as their tables are called. */
export type PartitionedLog = 'session_events' | 'audit_log'

export interface LogPartitions {
  /** Makes the partitions that begin within a week, of so many days each; resolves with how many it made. */
  add(log: PartitionedLog, days: number): Promise<number>
  /**
   * Drops the oldest partition if all of its rows are older; resolves with how many rows it had, about. undefined: there is
   * none to drop, or many of its events are still needed, or the table is busy; the next look tries again.
   */
  dropOldest(log: PartitionedLog, afterMs: number): Promise<number | undefined>
}

const dayMs = 86_400_000

/** Each read looks into every partition, so there are few of them. */
const partitionsWanted = 16

/** How many days a partition of a log is long whose rows are kept for so many ms: they stay longer by at most as much. */
export function partitionDays(keptMs: number): number {
  return Math.max(1, Math.round(keptMs / dayMs / partitionsWanted))
}

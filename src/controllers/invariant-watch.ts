import { defaultLimits, type Violation } from '../domain/invariants/breach.ts'
import { type SeenSince, violationKey, watchViolations } from '../domain/invariants/breach-watch.ts'
import { findViolations, judgedKinds } from '../domain/invariants/invariants.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { every } from '../timing/every.ts'
import { type InvariantSources, lookAtInvariants } from './invariant-look.ts'

interface InvariantWatchDeps {
  readonly sources: InvariantSources
  readonly metrics: Metrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

/** Longer than any kind must be seen, so the second look confirms; a scrape a minute misses nothing that lasts. */
const lookEveryMs = 15_000
/** A store that was restored from an old backup breaks thousands at once: the metric has the number. */
const mostLogged = 20

/** The invariant checker in production: a gauge by kind, and a line for each violation when it begins. */
export function createInvariantWatch({ sources, metrics, logger, now }: InvariantWatchDeps) {
  let seenSince: SeenSince = new Map()
  let known: ReadonlySet<string> = new Set()

  /** One look. Throws when a store could not be read, after what the others show is told. */
  async function look(): Promise<void> {
    const atMs = now()
    const { snapshot, unread } = await lookAtInvariants(sources, atMs)
    const found = findViolations(snapshot, defaultLimits)
    const watched = watchViolations(seenSince, { found, atMs })
    seenSince = watched.seenSince
    const byKind = Map.groupBy(watched.confirmed, ({ kind }) => kind)
    // What could not be judged keeps its last value: 0 would say that all is well.
    for (const kind of judgedKinds(snapshot))
      metrics.invariantViolations.set({ kind }, byKind.get(kind)?.length ?? 0)
    tell(watched.confirmed)
    if (unread[0]) throw unread[0].error
  }

  function tell(violations: readonly Violation[]): void {
    const fresh = violations.filter((violation) => !known.has(violationKey(violation)))
    for (const violation of fresh.slice(0, mostLogged)) logger.error({ ...violation }, 'invariant violated')
    if (fresh.length > mostLogged)
      logger.error({ more: fresh.length - mostLogged }, 'more invariants violated')
    known = new Set(violations.map(violationKey))
  }

  return {
    look,
    /** Looks until the signal, and leaves no gauge behind: only the leader speaks for the cluster. */
    async run(signal: AbortSignal): Promise<void> {
      seenSince = new Map()
      known = new Set()
      try {
        await every({ name: 'invariants', everyMs: lookEveryMs, signal, logger, metrics }, look)
      } finally {
        metrics.invariantViolations.reset()
      }
    },
  }
}

import type { BrokenInvariant } from '../domain/invariants/broken-invariant.ts'
import {
  brokenInvariantKey,
  confirmBrokenInvariants,
  type SeenSince,
} from '../domain/invariants/confirm-broken-invariants.ts'
import { findBrokenInvariants, judgedKinds } from '../domain/invariants/find-broken-invariants.ts'
import { defaultLimits } from '../domain/invariants/invariant-limits.ts'
import { type InvariantSources, readInvariantSnapshot } from '../domain/invariants/read-invariant-snapshot.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { every } from '../timing/every.ts'

interface InvariantWatchDeps {
  readonly sources: InvariantSources
  readonly metrics: Metrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

/** Longer than any kind must be seen, so the second look confirms. A scrape a minute misses nothing that lasts. */
const lookEveryMs = 15_000
/** A store restored from an old backup breaks thousands at once. The metric has their number. */
const mostLogged = 20

/** The invariant checker in production: a gauge by kind, and a log line for each broken invariant when it appears. */
export function createInvariantWatch({ sources, metrics, logger, now }: InvariantWatchDeps) {
  let seenSince: SeenSince = new Map()
  let known: ReadonlySet<string> = new Set()

  /** One look. If a store could not be read it throws, but only after it has told what the others show. */
  async function look(): Promise<void> {
    const atMs = now()
    const { snapshot, unread } = await readInvariantSnapshot(sources, atMs)
    const found = findBrokenInvariants(snapshot, defaultLimits)
    const watched = confirmBrokenInvariants(seenSince, { found, atMs })
    seenSince = watched.seenSince
    const byKind = Map.groupBy(watched.confirmed, ({ kind }) => kind)
    // A kind that could not be judged keeps its last value: 0 would say that all is well.
    for (const kind of judgedKinds(snapshot))
      metrics.invariantViolations.set({ kind }, byKind.get(kind)?.length ?? 0)
    tell(watched.confirmed)
    if (unread[0]) throw unread[0].error
  }

  function tell(broken: readonly BrokenInvariant[]): void {
    const fresh = broken.filter((one) => !known.has(brokenInvariantKey(one)))
    for (const one of fresh.slice(0, mostLogged)) logger.error({ ...one }, 'invariant is broken')
    if (fresh.length > mostLogged)
      logger.error({ more: fresh.length - mostLogged }, 'more invariants are broken')
    known = new Set(broken.map(brokenInvariantKey))
  }

  return {
    look,
    /** Looks until the signal, then removes the gauge: only the leader speaks for the cluster. */
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

import type { BrokenInvariant } from './broken-invariant.ts'
import { confirmBrokenInvariants, type SeenSince } from './confirm-broken-invariants.ts'
import { findBrokenInvariants } from './find-broken-invariants.ts'
import { defaultLimits, seenForMs } from './invariant-limits.ts'
import {
  type InvariantLook,
  type InvariantSources,
  readInvariantSnapshot,
} from './read-invariant-snapshot.ts'

export interface Examination extends InvariantLook {
  readonly broken: readonly BrokenInvariant[]
}

interface ExamineOptions {
  /** No finding has to last longer than this before it counts, ms; undefined: each as long as its kind says. */
  readonly settleMs?: number | undefined
  readonly epochMs: () => number
  readonly monotonicMs: () => number
  readonly pause: (ms: number) => Promise<void>
}

/** Between two looks while a finding may still go away. */
const lookAgainMs = 1_000

/** Looks until nothing is in doubt: once when all is well, else for at most about as long as `seenForMs`. */
export async function examineInvariants(
  sources: InvariantSources,
  { settleMs, epochMs, monotonicMs, pause }: ExamineOptions,
): Promise<Examination> {
  const atMostMs = settleMs ?? Number.POSITIVE_INFINITY
  const deadline = monotonicMs() + Math.min(Math.max(...Object.values(seenForMs)), atMostMs)
  let seenSince: SeenSince = new Map()
  for (;;) {
    const atMs = monotonicMs()
    const look = await readInvariantSnapshot(sources, epochMs())
    const found = findBrokenInvariants(look.snapshot, defaultLimits)
    const watched = confirmBrokenInvariants(seenSince, { found, atMs, atMostMs })
    seenSince = watched.seenSince
    if (watched.suspected.length === 0 || atMs >= deadline) return { ...look, broken: watched.confirmed }
    await pause(Math.max(1, Math.min(lookAgainMs, deadline - monotonicMs())))
  }
}

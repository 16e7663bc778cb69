import type { BrokenInvariant } from './broken-invariant.ts'
import { seenForMs } from './invariant-limits.ts'

/** Since when each finding has been there at every look, ms. All times come from one clock. */
export type SeenSince = ReadonlyMap<string, number>

interface ConfirmedInvariants {
  /** Seen for as long as their kind must be. */
  readonly confirmed: readonly BrokenInvariant[]
  /** Seen for a shorter time: most are gone at the next look. */
  readonly suspected: readonly BrokenInvariant[]
  /** For the next look. */
  readonly seenSince: SeenSince
}

interface FoundAtLook {
  readonly found: readonly BrokenInvariant[]
  /** When the look began, ms. */
  readonly atMs: number
  /** No kind has to be seen for longer than this. */
  readonly atMostMs?: number
}

/** Adds one look to those before it. A finding that was missing in between starts anew. */
export function confirmBrokenInvariants(
  before: SeenSince,
  { found, atMs, atMostMs }: FoundAtLook,
): ConfirmedInvariants {
  const seenSince = new Map<string, number>()
  const confirmed: BrokenInvariant[] = []
  const suspected: BrokenInvariant[] = []
  for (const broken of found) {
    const key = brokenInvariantKey(broken)
    const since = before.get(key) ?? atMs
    seenSince.set(key, since)
    const neededMs = Math.min(seenForMs[broken.kind], atMostMs ?? Number.POSITIVE_INFINITY)
    if (atMs - since >= neededMs) confirmed.push(broken)
    else suspected.push(broken)
  }
  return { confirmed, suspected, seenSince }
}

export function brokenInvariantKey({ kind, subject }: BrokenInvariant): string {
  return `${kind} ${subject}`
}

import { seenForMs, type Violation } from './breach.ts'

/** Since when each finding has been there at every look; epoch or monotonic ms, always of the same clock. */
export type SeenSince = ReadonlyMap<string, number>

export interface WatchedViolations {
  /** Seen for as long as their kind must be. */
  readonly confirmed: readonly Violation[]
  /** Seen for a shorter time: most are gone at the next look. */
  readonly suspected: readonly Violation[]
  /** For the next look. */
  readonly seenSince: SeenSince
}

interface Look {
  readonly found: readonly Violation[]
  /** When the look began, ms. */
  readonly atMs: number
  /** No kind has to be seen for longer than this. */
  readonly atMostMs?: number
}

/** Adds a look to those before. What was missing in between begins anew. */
export function watchViolations(before: SeenSince, { found, atMs, atMostMs }: Look): WatchedViolations {
  const seenSince = new Map<string, number>()
  const confirmed: Violation[] = []
  const suspected: Violation[] = []
  for (const violation of found) {
    const key = violationKey(violation)
    const since = before.get(key) ?? atMs
    seenSince.set(key, since)
    const neededMs = Math.min(seenForMs[violation.kind], atMostMs ?? Number.POSITIVE_INFINITY)
    if (atMs - since >= neededMs) confirmed.push(violation)
    else suspected.push(violation)
  }
  return { confirmed, suspected, seenSince }
}

export function violationKey({ kind, subject }: Violation): string {
  return `${kind} ${subject}`
}

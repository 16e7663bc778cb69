/**
 * Absence is never proof (DESIGN §3). Pods that are missing may have ended, or a backup was restored, or an API server
 * answers for another cluster. A few are believed; many are looked at again, and if they still miss, nothing is ended
 * and a person is called.
 */

/** Sessions that may end by absence in any {@link windowMs}: the larger of the two. */
export const believedCount = 5
export const believedShare = 0.1
/** DESIGN §3. */
export const windowMs = 10_000
/** Long enough for a server that is just starting to have loaded its data, short beside the bound of 10 s. */
export const lookAgainMs = 2_000
/**
 * What has been confirmed as missing for this long without a break is ended after all, at the same capped rate. Without
 * it, a cluster that really lost its pods would keep dead sessions until their longest duration, hours later; ten minutes
 * are time for a person to read the alarm and stop the controller, or to bring back what is missing.
 */
export const overruleMs = 10 * 60_000

export interface AbsenceLook {
  /** Live sessions, the missing ones included. */
  readonly live: number
  /** What is missing now, each confirmed by a read of its own. */
  readonly missing: readonly string[]
  /** Monotonic ms. */
  readonly now: number
}

export interface AbsenceVerdict {
  /** Those of `missing` that may be ended now. */
  readonly end: readonly string[]
  readonly frozen: boolean
  /** Look again after this time although nothing changed, ms; while frozen not before, for a look reads every pod. */
  readonly againMs: number | undefined
}

/** One detector's record. What was missing before the record began does not count: a new leader waits anew. */
export function createAbsenceGuard() {
  /** Since when each has been missing, look by look; what is there again in between starts anew. */
  const missingSince = new Map<string, number>()
  /** Times of the ends in the window. */
  let endedAt: number[] = []
  /** Since when more were missing than are believed. */
  let doubtSince: number | undefined
  let frozen = false

  function note(missing: readonly string[], now: number): void {
    const present = new Set(missing)
    for (const key of missingSince.keys()) if (!present.has(key)) missingSince.delete(key)
    for (const key of missing) if (!missingSince.has(key)) missingSince.set(key, now)
    endedAt = endedAt.filter((at) => now - at < windowMs)
  }

  function end(keys: readonly string[], now: number): readonly string[] {
    endedAt.push(...keys.map(() => now))
    return keys
  }

  return {
    judge({ live, missing, now }: AbsenceLook): AbsenceVerdict {
      const unique = [...new Set(missing)]
      note(unique, now)
      const room = Math.max(0, Math.max(believedCount, Math.floor(live * believedShare)) - endedAt.length)
      if (unique.length <= room) {
        doubtSince = undefined
        frozen = false
        return { end: end(unique, now), frozen, againMs: undefined }
      }
      doubtSince ??= now
      frozen ||= now - doubtSince >= lookAgainMs
      if (!frozen) return { end: [], frozen, againMs: doubtSince + lookAgainMs - now }
      const overruled = unique.filter((key) => now - (missingSince.get(key) ?? now) >= overruleMs)
      return { end: end(overruled.slice(0, room), now), frozen, againMs: windowMs }
    },
  }
}

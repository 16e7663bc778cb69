/**
 * Absence is never proof (DESIGN §3). Missing pods may have ended, but also a backup may have been restored, or an API
 * server may answer for another cluster. The guard believes that a few are gone. If many are missing it looks again; if
 * they are still missing, it ends nothing and raises an alarm.
 */

/** How many sessions may end by absence in any {@link windowMs}: the larger of the two. */
export const believedCount = 5
export const believedShare = 0.1
/** DESIGN §3. */
export const windowMs = 10_000
/** Long enough for a server that just started to load its data, short compared with the bound of 10 s. */
export const lookAgainMs = 2_000
/**
 * A pod that was missing at every look for this long counts as gone after all, at the same capped rate. Otherwise a
 * cluster that really lost its pods would keep dead sessions until their longest duration, hours later. Ten minutes give
 * a person time to read the alarm and stop the controller, or to bring back what is missing.
 */
export const overruleMs = 10 * 60_000

export interface AbsenceLook {
  /** Live sessions, the missing ones included. */
  readonly live: number
  /** The keys that are missing now, each confirmed by a read of its own. */
  readonly missing: readonly string[]
  /** Monotonic ms. */
  readonly now: number
}

export interface AbsenceVerdict {
  /** Those of `missing` that may be ended now. */
  readonly end: readonly string[]
  readonly frozen: boolean
  /** Look again after this time although nothing changed, ms. While frozen, not earlier: a look reads every pod. */
  readonly againMs: number | undefined
}

/** The record of one detector. It starts empty, so a new leader waits anew. */
export function createAbsenceGuard() {
  /** Since when each key has been missing at every look. One that was there in between starts anew. */
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

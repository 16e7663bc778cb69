/** Pods are replaced between so much of `maxIdleAge` and all of it: those that were made together do not go together. */
const youngestShare = 0.75

interface AgeRules {
  readonly maxIdleAgeMs: number
  /** Epoch ms. */
  readonly now: number
}

interface IdlePod {
  readonly uid: string
  readonly readySince: number | undefined
}

/** Whether an idle pod has waited for too long. Its UID says when within the spread, the same in every process. */
export function isTooOld({ uid, readySince }: IdlePod, { maxIdleAgeMs, now }: AgeRules): boolean {
  if (readySince === undefined) return false
  return now - readySince >= maxIdleAgeMs * (youngestShare + (1 - youngestShare) * shareOf(uid))
}

/** FNV-1a, 32 bit, of the UID, mixed so that UIDs that end differently are far apart; as a number from 0 to 1. */
function shareOf(uid: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < uid.length; index += 1)
    hash = Math.imul(hash ^ uid.charCodeAt(index), 0x01000193) >>> 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

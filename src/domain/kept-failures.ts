import type { SlotView } from './pool-observation.ts'

/** The reason in `pod_claims` of a pod that failed before it served; the cause follows it. */
const failedStart = 'failed to start: '

export function failedStartReason({ trouble }: SlotView): string {
  return `${failedStart}${trouble?.cause ?? 'crash'}`
}

interface KeepRules {
  /** `keepFailed` of the pool. */
  readonly keep: number
  /** Ceiling of all pods of the pool. */
  readonly max: number
  /** Idle pods that are wanted. */
  readonly idle: number
}

/**
 * Pods that failed to start and stay for a look: the last ones, as long as the pool has its other pods below `max` beside
 * them. Each is retired already or about to be, so no session can get it.
 */
export function keptFailures(
  slots: readonly SlotView[],
  { keep, max, idle }: KeepRules,
): ReadonlySet<string> {
  const failed = slots.filter(isFailedStart)
  const others = slots.filter((slot) => !isFailedStart(slot))
  const idleNow = others.filter(({ state }) => state === 'ready' || state === 'warming').length
  const room = max - others.length - Math.max(0, idle - idleNow)
  const newestFirst = failed.sort((a, b) => b.createdAt - a.createdAt || (a.podUid < b.podUid ? 1 : -1))
  return new Set(newestFirst.slice(0, Math.max(0, Math.min(keep, room))).map(({ podUid }) => podUid))
}

function isFailedStart({ state, claim, deletingSince, origin }: SlotView): boolean {
  if (deletingSince !== undefined) return false
  if (claim) return claim.purpose === 'retired' && (claim.reason ?? '').startsWith(failedStart)
  return state === 'failed' && origin === 'ours'
}

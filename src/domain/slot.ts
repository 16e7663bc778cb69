import type { AgentPod } from './agent-pod.ts'

/**
 * One pod of a pool. `reserved` lives in Redis only, for a few seconds; every other state is read from the pod and its
 * row in `pod_claims`. Only this table allows a change of state; Lua and SQL must agree with it.
 *
 * Neither Redis nor PostgreSQL knows readiness, and PostgreSQL does not know reservations. So readiness may come and go
 * while a slot is reserved. A claim may come without a reservation (Redis is down), after it (it lapsed meanwhile), or on
 * a pod that is not Ready for a moment. From `claimed` a slot moves only towards `gone`, with one exception: a claim that
 * was never sent to its pod may be undone (ADR 0012), and then the slot is what it was without it.
 */
export const slotTransitions = {
  warming: ['ready', 'reserved', 'claimed', 'failed', 'draining', 'gone'],
  ready: ['reserved', 'claimed', 'draining', 'failed', 'warming', 'gone'],
  reserved: ['ready', 'warming', 'claimed', 'draining', 'failed', 'gone'],
  claimed: ['ready', 'reserved', 'warming', 'draining', 'failed', 'gone'],
  draining: ['gone', 'failed'],
  failed: ['draining', 'gone'],
  gone: [],
} as const satisfies Record<string, readonly string[]>

export type SlotState = keyof typeof slotTransitions

export function canSlotMove(from: SlotState, to: SlotState): boolean {
  return (slotTransitions[from] as readonly SlotState[]).includes(to)
}

export type ClaimPurpose = 'session' | 'retired'

/** A row of `pod_claims`, joined with the state of its session. A pod UID has at most one, ever. */
export interface PodClaim {
  readonly podUid: string
  readonly purpose: ClaimPurpose
  readonly sessionId: string | undefined
  readonly sessionStatus: string | undefined
  readonly epoch: number | undefined
  readonly reason: string | undefined
  /** When the claim was made, epoch ms of PostgreSQL's clock. */
  readonly claimedAt: number
}

/** As much of a claim as tells the state of its slot. */
export type SlotClaim = Pick<PodClaim, 'purpose' | 'sessionStatus'>

/** The state of a slot as the informer and the ledger show it. Never `reserved`, which only Redis knows. */
export function slotStateOf(
  pod: AgentPod,
  claim: SlotClaim | undefined,
): Exclude<SlotState, 'reserved' | 'gone'> {
  if (pod.deletingSince !== undefined) return 'draining'
  if (claim?.purpose === 'retired') return 'draining'
  if (pod.deadReason !== undefined) return 'failed'
  if (claim)
    return claim.sessionStatus === 'ENDING' || claim.sessionStatus === 'ENDED' ? 'draining' : 'claimed'
  return pod.readySince !== undefined && pod.ip !== undefined ? 'ready' : 'warming'
}

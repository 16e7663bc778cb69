import type { AgentPod } from './agent-pod.ts'
import type { PodTrouble } from './pod-trouble.ts'
import { originFault, type PodOrigin, type SeenOrigin } from './pool-pod.ts'
import { type PodClaim, type SlotClaim, slotStateOf } from './slot.ts'
import { startFailureOf } from './start-failure.ts'

/** A pool as it is seen: the informer's pods joined with the ledger's claims. Labels decide nothing here. */

/** Without `reserved`, which only Redis knows, and `gone`, which cannot be seen. */
export type ObservedState = ReturnType<typeof slotStateOf>

/** One slot as it was seen. Times are epoch ms. */
export interface SlotView {
  readonly podUid: string
  readonly name: string
  readonly state: ObservedState
  readonly createdAt: number
  readonly readySince: number | undefined
  /** Since when the pod is Terminating. A `draining` slot without it still has to be deleted. */
  readonly deletingSince: number | undefined
  /** Made from another template than the one in force. */
  readonly drifted: boolean
  readonly deadReason: string | undefined
  readonly trouble: PodTrouble | undefined
  readonly claim: PodClaim | undefined
  readonly origin: PodOrigin
  /** Present when a session is on the pod that the ledger does not know. Such a slot is `claimed` without a claim. */
  readonly forgotten?: true
}

type SlotCounts = Readonly<Record<ObservedState, number>>

export interface ObservedPool {
  /** Oldest first; slots of the same age in UID order, so that equal input gives equal output. */
  readonly slots: readonly SlotView[]
  readonly counts: SlotCounts
}

interface ObservePoolInput {
  readonly agentType: string
  /** Pods of other pools are left out. */
  readonly pods: readonly AgentPod[]
  readonly claims: ReadonlyMap<string, PodClaim>
  /** Hash of the template in force. undefined when the type was removed; then no slot counts as drifted. */
  readonly templateHash: string | undefined
  /** By UID; every pod counts as ours where the origins are not known. */
  readonly origins?: ReadonlyMap<string, SeenOrigin>
  /** Pods on which a session is that the ledger does not know: they are offered to nobody and not retired by the plan. */
  readonly forgotten?: ReadonlySet<string>
  /** Which pods are to be replaced; without it those of another template. */
  readonly isDrifted?: ((pod: AgentPod, madeFrom: string | undefined) => boolean) | undefined
  /** Pods that take longer than this to become Ready count as failed; without it none does. */
  readonly start?: { readonly now: number; readonly startDeadlineMs: number } | undefined
}

/** How many slots of a pool are in which state, for those who need to know no more. Pods of other pools are not among `pods`. */
export function countSlots(pods: readonly AgentPod[], claims: ReadonlyMap<string, SlotClaim>): SlotCounts {
  const counts = { ...noSlots }
  for (const pod of pods) counts[slotStateOf(pod, claims.get(pod.uid))] += 1
  return counts
}

const noSlots: SlotCounts = { warming: 0, ready: 0, claimed: 0, draining: 0, failed: 0 }

/** Joins pods and claims of one pool. Pure; the order of `pods` does not matter. */
export function observePool(input: ObservePoolInput): ObservedPool {
  const { agentType, pods, claims, templateHash, origins, isDrifted, start, forgotten } = input
  const slots = pods
    .filter((pod) => pod.agentType === agentType)
    .map((pod) => {
      const { origin = 'ours', templateHash: madeFrom = pod.templateHash } = origins?.get(pod.uid) ?? {}
      const drifted = templateHash !== undefined && (isDrifted?.(pod, madeFrom) ?? madeFrom !== templateHash)
      const claim = claims.get(pod.uid)
      const isForgotten = claim === undefined && (forgotten?.has(pod.uid) ?? false)
      const slot = slotView(pod, { claim, origin, drifted, isForgotten })
      const failure = slot.state === 'warming' && !slot.claim && start && startFailureOf(pod, start)
      return failure
        ? { ...slot, state: 'failed' as const, trouble: failure, deadReason: failure.message }
        : slot
    })
    .sort(oldestFirst)
  const counts = { ...noSlots }
  for (const slot of slots) counts[slot.state] += 1
  return { slots, counts }
}

/** Orders by age. The UID breaks ties, because creation times have whole seconds only. */
export function oldestFirst(a: SlotView, b: SlotView): number {
  return a.createdAt - b.createdAt || (a.podUid < b.podUid ? -1 : 1)
}

interface SlotFacts {
  readonly claim: PodClaim | undefined
  readonly origin: PodOrigin
  readonly drifted: boolean
  readonly isForgotten: boolean
}

/** A claimed slot goes its way whatever its origin; any other one is offered only if it is ours and as we made it. */
function stateOf(pod: AgentPod, { claim, origin, isForgotten }: SlotFacts): ObservedState {
  if (isForgotten && pod.deletingSince === undefined) return 'claimed'
  const state = slotStateOf(pod, claim)
  if (claim || (state !== 'ready' && state !== 'warming')) return state
  if (originFault(origin) !== undefined) return 'failed'
  return origin === 'ours' ? state : 'warming'
}

function slotView(pod: AgentPod, facts: SlotFacts): SlotView {
  const { claim, origin, drifted } = facts
  return {
    podUid: pod.uid,
    name: pod.name,
    state: stateOf(pod, facts),
    createdAt: pod.createdAt,
    readySince: pod.readySince,
    deletingSince: pod.deletingSince,
    drifted,
    deadReason: pod.deadReason ?? originFault(origin),
    trouble: pod.trouble,
    claim,
    origin,
    ...(facts.isForgotten && { forgotten: true as const }),
  }
}

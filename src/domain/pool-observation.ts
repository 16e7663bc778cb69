import type { AgentPod } from './agent-pod.ts'
import type { PodTrouble } from './pod-trouble.ts'
import { type PodClaim, slotStateOf } from './slot.ts'

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
}

/** Joins pods and claims of one pool. Pure; the order of `pods` does not matter. */
export function observePool({ agentType, pods, claims, templateHash }: ObservePoolInput): ObservedPool {
  const slots = pods
    .filter((pod) => pod.agentType === agentType)
    .map((pod) => slotView(pod, claims.get(pod.uid), templateHash))
    .sort(oldestFirst)
  const counts = { warming: 0, ready: 0, claimed: 0, draining: 0, failed: 0 }
  for (const slot of slots) counts[slot.state] += 1
  return { slots, counts }
}

/** Orders by age. The UID breaks ties, because creation times have whole seconds only. */
export function oldestFirst(a: SlotView, b: SlotView): number {
  return a.createdAt - b.createdAt || (a.podUid < b.podUid ? -1 : 1)
}

function slotView(pod: AgentPod, claim: PodClaim | undefined, templateHash: string | undefined): SlotView {
  return {
    podUid: pod.uid,
    name: pod.name,
    state: slotStateOf(pod, claim),
    createdAt: pod.createdAt,
    readySince: pod.readySince,
    deletingSince: pod.deletingSince,
    drifted: templateHash !== undefined && pod.templateHash !== templateHash,
    deadReason: pod.deadReason,
    trouble: pod.trouble,
    claim,
  }
}

import type { AgentPod } from '../agent-pod.ts'
import type { BrokenInvariant, InvariantKind } from './broken-invariant.ts'
import type { InvariantLimits } from './invariant-limits.ts'
import type { SeenClaim, SeenPods, SeenSession } from './invariant-snapshot.ts'
import { claimInWords, type LedgerFacts, seconds } from './ledger-invariants.ts'

/** What Kubernetes and PostgreSQL prove together. */

/** A kubelet that is slow to report the end of a Terminating pod gets this long beyond the grace period. */
const slowKubeletMs = 15_000

export function judgePods(
  { pods, nowMs }: SeenPods,
  facts: LedgerFacts,
  limits: InvariantLimits,
): readonly BrokenInvariant[] {
  const byUid = new Map(pods.map((pod) => [pod.uid, pod]))
  return [
    ...[...facts.sessions.values()].flatMap((session) => withoutPod(session, byUid)),
    ...pods.flatMap((pod) => leftOver(pod, facts, { limits, podsNowMs: nowMs })),
  ]
}

function withoutPod(session: SeenSession, pods: ReadonlyMap<string, AgentPod>): BrokenInvariant[] {
  const { id, status, podUid } = session
  // A cold open has no pod yet, and an ENDING session waits for its pod to go.
  if (status !== 'ACTIVE' && (status !== 'PENDING' || podUid === undefined)) return []
  const pod = podUid === undefined ? undefined : pods.get(podUid)
  const trouble = podUid === undefined ? 'no pod' : podTrouble(podUid, pod)
  if (trouble === undefined) return []
  const detail = `${status} with ${trouble}; expected a pod that can serve it, or ENDING.`
  return [{ kind: 'session-without-pod', subject: id, detail }]
}

function podTrouble(podUid: string, pod: AgentPod | undefined): string | undefined {
  if (!pod) return `pod ${podUid}, which does not exist`
  if (pod.deletingSince !== undefined) return `pod ${podUid}, which is Terminating`
  return pod.deadReason === undefined ? undefined : `pod ${podUid}, which is dead (${pod.deadReason})`
}

interface Clocks {
  readonly limits: InvariantLimits
  readonly podsNowMs: number
}

/** Pods that no session will use again and that still exist. */
function leftOver(pod: AgentPod, facts: LedgerFacts, { limits, podsNowMs }: Clocks): BrokenInvariant[] {
  if (facts.doubled.has(pod.uid) || isBeyondReach(pod)) return []
  const claim = facts.claimsByPod.get(pod.uid)?.[0]
  const label = wrongLabel(pod, claim)
  if (label !== undefined) return [{ kind: 'claimed-pod-without-session', subject: pod.uid, detail: label }]
  const end = claim && endOfUse(claim, facts)
  // A pod that failed to start and is kept for a look; only Greenroom can set the label.
  if (!end || (end.kind === 'retired-pod-remains' && pod.stateLabel === 'failed')) return []
  const boundMs = limits.boundMs[end.kind]
  // In production a Terminating pod has its grace period. With a bound of 0 (settled limits) it counts at once.
  const onItsWay =
    boundMs > 0 && pod.deletingSince !== undefined && podsNowMs <= pod.deletingSince + slowKubeletMs
  const forMs = facts.nowMs - end.sinceMs
  if (forMs <= boundMs || onItsWay) return []
  const state = pod.deletingSince === undefined ? 'is there' : 'is Terminating'
  const detail = `${end.why}, and the pod ${state} ${seconds(forMs)} later; expected it gone within ${seconds(boundMs)}.`
  return [{ kind: end.kind, subject: pod.uid, detail, sinceMs: end.sinceMs }]
}

/** A pod on a lost node: only Kubernetes can remove it, when it gives up the node. */
function isBeyondReach(pod: AgentPod): boolean {
  return pod.nodeLost === true || pod.unreachableSince !== undefined
}

/** Labels decide nothing, but they follow the claim: Greenroom wrote no label that contradicts it. */
function wrongLabel(pod: AgentPod, claim: SeenClaim | undefined): string | undefined {
  const { sessionLabel, stateLabel } = pod
  if (sessionLabel === undefined && stateLabel !== 'claimed') return undefined
  if (claim && (sessionLabel === undefined || sessionLabel === claim.sessionId)) return undefined
  const says = sessionLabel === undefined ? 'claimed' : `the pod of session ${sessionLabel}`
  return `labelled as ${says}, but ${claim ? `it is ${claimInWords(claim)}` : 'nothing claims it'}.`
}

interface EndOfUse {
  readonly kind: InvariantKind
  readonly why: string
  readonly sinceMs: number
}

function endOfUse(claim: SeenClaim, facts: LedgerFacts): EndOfUse | undefined {
  if (claim.purpose === 'retired')
    return { kind: 'retired-pod-remains', why: 'It was retired', sinceMs: claim.claimedAt }
  const kind = 'claimed-pod-without-session'
  const session = facts.sessions.get(claim.sessionId ?? '')
  const named = `Its session ${claim.sessionId}`
  if (!session) return { kind, why: `${named} does not exist`, sinceMs: claim.claimedAt }
  const epoch = claim.epoch ?? 0
  if (session.status === 'ENDED' && epoch >= session.epoch)
    return { kind, why: `${named} is ENDED`, sinceMs: session.endedAt ?? session.createdAt }
  // The same record was opened again, on another pod. Two claims of one epoch are a finding of their own.
  if (epoch >= session.epoch) return strandedClaim(claim, session, facts)
  const later = (facts.claimsBySession.get(session.id) ?? []).find((other) => (other.epoch ?? 0) > epoch)
  const sinceMs = later?.claimedAt ?? claim.claimedAt
  return { kind, why: `${named} went on to epoch ${session.epoch}`, sinceMs }
}

/** A claim of the current epoch, although the session is on no pod or on another one. */
function strandedClaim(claim: SeenClaim, session: SeenSession, facts: LedgerFacts): EndOfUse | undefined {
  const others = facts.claimsBySession.get(session.id) ?? []
  if (session.podUid === claim.podUid || others.some((other) => other.podUid !== claim.podUid))
    return undefined
  return {
    kind: 'claimed-pod-without-session',
    why: `Its session ${session.id} is ${session.podUid === undefined ? 'on no pod' : `on pod ${session.podUid}`}`,
    sinceMs: claim.claimedAt,
  }
}

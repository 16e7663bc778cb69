import { type PodClaim, slotStateOf } from '../slot.ts'
import type { BrokenInvariant } from './broken-invariant.ts'
import type { InvariantLimits } from './invariant-limits.ts'
import type { SeenClaim, SeenPods, SeenPoolIndex, SeenReservation } from './invariant-snapshot.ts'
import { isNoted, type LedgerFacts, seconds } from './ledger-invariants.ts'

/** What Redis proves alone, and together with the other stores. It only proposes: each finding here costs attempts, no more. */

export function judgeIndex(pool: SeenPoolIndex, limits: InvariantLimits): readonly BrokenInvariant[] {
  const boundMs = limits.boundMs['reservation-past-bound']
  return [
    ...offeredTwice(pool),
    ...pool.reservations.flatMap((reservation) => pastBound(reservation, pool.nowMs, boundMs)),
  ]
}

function offeredTwice({ ready, reservations }: SeenPoolIndex): BrokenInvariant[] {
  const places = Map.groupBy(
    [
      ...ready.map((podUid) => ({ podUid, where: 'ready' })),
      ...reservations.map(({ podUid, sessionId }) => ({ podUid, where: `reserved for ${sessionId}` })),
    ],
    ({ podUid }) => podUid,
  )
  return [...places].flatMap(([subject, found]): BrokenInvariant[] => {
    if (found.length < 2) return []
    const detail = `${found.map(({ where }) => where).join(' and ')}; expected in one place.`
    return [{ kind: 'slot-offered-twice', subject, detail }]
  })
}

/**
 * A lapsed reservation is no finding: the next reservation in the pool frees it first. A reservation that never lapses
 * takes its slot away for good.
 */
function pastBound(reservation: SeenReservation, nowMs: number, boundMs: number): BrokenInvariant[] {
  const { podUid, sessionId, expiresAt } = reservation
  if (expiresAt !== undefined && expiresAt - nowMs <= boundMs) return []
  const found = expiresAt === undefined ? 'without an end' : `for ${seconds(expiresAt - nowMs)} more`
  const detail = `reserved for session ${sessionId} ${found}; expected at most ${seconds(boundMs)}.`
  return [{ kind: 'reservation-past-bound', subject: podUid, detail }]
}

export function judgeIndexedPods(
  index: readonly SeenPoolIndex[],
  { pods }: SeenPods,
  facts: LedgerFacts,
): readonly BrokenInvariant[] {
  const byUid = new Map(pods.map((pod) => [pod.uid, pod]))
  return index.flatMap(({ agentType, ready }) =>
    ready.flatMap((podUid): BrokenInvariant[] => {
      const pod = byUid.get(podUid)
      const claim = facts.claimsByPod.get(podUid)?.[0]
      let found: string | undefined
      if (!pod) found = 'which does not exist'
      else if (pod.agentType !== agentType) found = `which belongs to pool ${pod.agentType}`
      else {
        const state = slotStateOf(pod, claim && asPodClaim(claim, facts))
        if (state !== 'ready') found = `which is ${state}`
      }
      if (found === undefined) return isNoted(podUid, agentType, facts) ? [] : [notNoted(agentType, podUid)]
      const detail = `pool ${agentType} offers this pod, ${found}; expected only ready, unclaimed pods.`
      return [{ kind: 'index-entry-without-pod', subject: podUid, detail }]
    }),
  )
}

function notNoted(agentType: string, podUid: string): BrokenInvariant {
  const detail = `pool ${agentType} offers this pod, which the controller did not note for it; expected only pods that it made.`
  return { kind: 'pod-not-noted-in-use', subject: podUid, detail }
}

function asPodClaim(claim: SeenClaim, facts: LedgerFacts): PodClaim {
  return { ...claim, reason: undefined, sessionStatus: facts.sessions.get(claim.sessionId ?? '')?.status }
}

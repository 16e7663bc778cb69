import { settledWithinMs } from '../session.ts'
import type { BrokenInvariant } from './broken-invariant.ts'
import type { InvariantLimits } from './invariant-limits.ts'
import type { SeenClaim, SeenLedger, SeenMiscount, SeenSession } from './invariant-snapshot.ts'

/** What PostgreSQL alone proves. */

/** Claims and sessions, by the keys that the judges look them up with. */
export interface LedgerFacts {
  readonly nowMs: number
  readonly sessions: ReadonlyMap<string, SeenSession>
  /** A pod UID has one row, ever; two rows are a finding. */
  readonly claimsByPod: ReadonlyMap<string, readonly SeenClaim[]>
  readonly claimsBySession: ReadonlyMap<string, readonly SeenClaim[]>
  /** Pods that `pod-claimed-twice` names; no other judge concludes anything from their rows. */
  readonly doubled: ReadonlySet<string>
  readonly noted: SeenLedger['noted']
}

interface JudgedLedger {
  readonly facts: LedgerFacts
  readonly broken: readonly BrokenInvariant[]
}

export function judgeLedger(ledger: SeenLedger, limits: InvariantLimits): JudgedLedger {
  const claimsByPod = Map.groupBy(ledger.claims, (claim) => claim.podUid)
  const claimedTwice = doubleClaims(claimsByPod, ledger.sessions)
  const facts: LedgerFacts = {
    nowMs: ledger.nowMs,
    sessions: new Map(ledger.sessions.map((session) => [session.id, session])),
    claimsByPod,
    claimsBySession: Map.groupBy(
      ledger.claims.filter((claim) => claim.purpose === 'session' && claim.sessionId !== undefined),
      (claim) => claim.sessionId ?? '',
    ),
    doubled: new Set(claimedTwice.map(({ subject }) => subject)),
    noted: ledger.noted,
  }
  const perSession = ledger.sessions.flatMap((session) => [
    ...onTwoPods(session, facts),
    ...withoutClaim(session, facts),
    ...withoutNote(session, facts),
    ...pastBound(session, facts.nowMs, limits),
    ...neverAcknowledged(session),
  ])
  return { facts, broken: [...claimedTwice, ...perSession, ...ledger.miscounted.map(miscounted)] }
}

function isLive({ status }: SeenSession): boolean {
  return status !== 'ENDED'
}

/** A pod serves at most one session, ever, so ended sessions count as well. */
function doubleClaims(
  claimsByPod: ReadonlyMap<string, readonly SeenClaim[]>,
  sessions: readonly SeenSession[],
): BrokenInvariant[] {
  const onPod = Map.groupBy(
    sessions.filter((session) => session.podUid !== undefined),
    (session) => session.podUid ?? '',
  )
  const broken: BrokenInvariant[] = []
  for (const podUid of new Set([...claimsByPod.keys(), ...onPod.keys()])) {
    const claims = claimsByPod.get(podUid) ?? []
    const served = onPod.get(podUid) ?? []
    if (claims.length < 2 && served.length < 2) continue
    const found =
      served.length > 1
        ? `sessions ${served.map(({ id, status }) => `${id} (${status})`).join(' and ')} are on it`
        : `${claims.length} claims name it`
    broken.push({
      kind: 'pod-claimed-twice',
      subject: podUid,
      detail: `${found}; a pod has one claim and one session, ever.`,
    })
  }
  return broken
}

/** Claims of earlier attempts stay as history. The current attempt has one claim at most. */
function onTwoPods(session: SeenSession, { claimsBySession }: LedgerFacts): BrokenInvariant[] {
  if (!isLive(session)) return []
  const current = (claimsBySession.get(session.id) ?? []).filter(
    (claim) => (claim.epoch ?? 0) >= session.epoch,
  )
  const podUids = [...new Set(current.map((claim) => claim.podUid))]
  if (podUids.length < 2) return []
  return [
    {
      kind: 'session-on-two-pods',
      subject: session.id,
      detail: `claims of epoch ${session.epoch} or later name pods ${podUids.join(' and ')}; expected only ${session.podUid ?? 'none'}.`,
    },
  ]
}

function withoutClaim(session: SeenSession, { claimsByPod, doubled }: LedgerFacts): BrokenInvariant[] {
  const { podUid } = session
  if (!isLive(session) || podUid === undefined || doubled.has(podUid)) return []
  const claim = claimsByPod.get(podUid)?.[0]
  if (claim?.purpose === 'session' && claim.sessionId === session.id && claim.epoch === session.epoch)
    return []
  return [
    {
      kind: 'session-without-claim',
      subject: session.id,
      detail: `${session.status} on pod ${podUid} with epoch ${session.epoch}, but ${claim ? `that pod is ${claimInWords(claim)}` : 'nothing claims that pod'}.`,
    },
  ]
}

/** Only the controller brings pods into a pool. A session anywhere else has given its secrets to a stranger. */
function withoutNote(session: SeenSession, facts: LedgerFacts): BrokenInvariant[] {
  const { id, podUid, agentType } = session
  if (!isLive(session) || podUid === undefined || isNoted(podUid, agentType, facts)) return []
  const found = facts.noted?.get(podUid)
  const detail = `session ${id} of type ${agentType} is on this pod, which is noted for ${found ?? 'no type'}; expected a pod that the controller made for ${agentType}.`
  return [{ kind: 'pod-not-noted-in-use', subject: podUid, detail }]
}

/** True also while notes are not complete. */
export function isNoted(podUid: string, agentType: string, { noted }: Pick<LedgerFacts, 'noted'>): boolean {
  return noted === undefined || noted.get(podUid) === agentType
}

export function claimInWords({ purpose, sessionId, epoch }: SeenClaim): string {
  return purpose === 'retired' ? 'retired' : `claimed by session ${sessionId} with epoch ${epoch}`
}

function pastBound(session: SeenSession, nowMs: number, limits: InvariantLimits): BrokenInvariant[] {
  const { id: subject, status, leaseExpiresAt, mayBeTold, endingAt } = session
  const { boundMs, leaseGraceMs } = limits
  const lapsedForMs = nowMs - leaseExpiresAt
  const lapsed = { subject, sinceMs: leaseExpiresAt }
  // A session that waits for a pod has no renewals, so an outage of renewals extends nothing.
  if (status === 'PENDING' && !mayBeTold && lapsedForMs > boundMs['pending-past-lease']) {
    const detail = `PENDING ${seconds(lapsedForMs)} after its lease; expected ENDING within ${seconds(boundMs['pending-past-lease'])}.`
    return [{ kind: 'pending-past-lease', ...lapsed, detail }]
  }
  const settledMs = mayBeTold ? settledWithinMs : 0
  const allowedMs = boundMs['lease-lapsed-not-ended'] + leaseGraceMs + settledMs
  if ((status === 'ACTIVE' || mayBeTold) && lapsedForMs > allowedMs) {
    const detail = `${status} ${seconds(lapsedForMs)} after its lease; expected ENDING within ${seconds(allowedMs)}.`
    return [{ kind: 'lease-lapsed-not-ended', ...lapsed, detail }]
  }
  const endingForMs = nowMs - (endingAt ?? Number.NEGATIVE_INFINITY)
  if (status === 'ENDING' && endingForMs > boundMs['ending-past-bound']) {
    const since = endingAt === undefined ? {} : { sinceMs: endingAt }
    const found = endingAt === undefined ? 'ENDING since no known time' : `ENDING for ${seconds(endingForMs)}`
    const detail = `${found}; expected ENDED within ${seconds(boundMs['ending-past-bound'])}.`
    return [{ kind: 'ending-past-bound', subject, ...since, detail }]
  }
  return []
}

function neverAcknowledged({ id, status, activeAt }: SeenSession): BrokenInvariant[] {
  if (status !== 'ACTIVE' || activeAt !== undefined) return []
  const detail =
    'ACTIVE without a time of activation; only the acknowledgement of its pod makes a session ACTIVE.'
  return [{ kind: 'active-never-acknowledged', subject: id, detail }]
}

function miscounted({ projectId, counted, sessions }: SeenMiscount): BrokenInvariant {
  const detail = `project_usage counts ${counted} sessions that are not ENDED, but there are ${sessions}.`
  return { kind: 'project-count-wrong', subject: projectId, detail }
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`
}

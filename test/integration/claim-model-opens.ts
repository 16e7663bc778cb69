import type { LeaseHolder } from '../../src/domain/lease-holder.ts'
import { endReason, isRetryableFailure } from '../../src/domain/session.ts'
import {
  isHeld,
  leavePod,
  type ModelSession,
  type ModelState,
  moveSession,
  moveSlot,
  type Opener,
} from './claim-model.ts'
import { type Answer, attemptReason, type Op, summaryOf } from './claim-model-store-ops.ts'

/** What an open asks of PostgreSQL, from its first attempt to its activation or its failure. */

function claim(state: ModelState, pod: string, s: string, epoch: number): void {
  state.claims.set(pod, { purpose: 'session', session: s, epoch, reason: undefined })
  // An open that claims a dead or draining pod finds out when it delivers.
  if (['warming', 'ready', 'reserved'].includes(state.slots.get(pod) ?? '')) moveSlot(state, pod, 'claimed')
}

function retireClaim(state: ModelState, pod: string | undefined, s: string): void {
  const held = pod === undefined ? undefined : state.claims.get(pod)
  if (pod === undefined || held?.session !== s) return
  state.claims.set(pod, { ...held, purpose: 'retired', reason: attemptReason })
  if (state.slots.get(pod) !== 'gone') moveSlot(state, pod, 'draining')
}

function fresh({ epoch, lease, opener }: Opened, pod: string | undefined, heldBy?: string): ModelSession {
  return {
    leaseHeldBy: lease,
    status: 'PENDING',
    endReason: undefined,
    epoch,
    pod,
    heldBy,
    isOrphan: false,
    lapsed: false,
    isOverlong: false,
    wasActive: false,
    opener,
    isFresh: true,
  }
}

interface Opened {
  readonly epoch: number
  readonly lease: LeaseHolder
  readonly opener?: Opener | undefined
}

function committed(state: ModelState, s: string): Answer {
  const session = state.sessions.get(s)
  return session && { kind: 'committed', session: summaryOf(s, session) }
}

function exists(s: string, session: ModelSession): Answer {
  return { kind: 'session-exists', session: summaryOf(s, session) }
}

/** Why a pod cannot be claimed; undefined for one that can. A pod without a note is nobody's, whoever proposes it. */
function refusal(state: ModelState, pod: string): Answer {
  if (!state.noted.has(pod)) return { kind: 'pod-not-noted' }
  return state.claims.has(pod) ? { kind: 'pod-taken' } : undefined
}

export function open(state: ModelState, op: Op<'open'> | Op<'reopen'>): Answer {
  const { s, pod, epoch } = op
  const present = state.sessions.get(s)
  if (present) return exists(s, present)
  const refused = refusal(state, pod)
  if (refused) return refused
  state.sessions.set(s, fresh(op, pod))
  claim(state, pod, s, epoch)
  return committed(state, s)
}

/** Nobody but the open that may have told its caller takes the session elsewhere or gives it up. */
function isItsOwn({ opener }: ModelSession, as: Opener | undefined): boolean {
  return opener === undefined || opener === as
}

export function next(state: ModelState, op: Op<'next'>): Answer {
  const { s, from, oldPod, pod, epoch } = op
  const present = state.sessions.get(s)
  if (present && (present.status !== 'PENDING' || present.epoch !== from)) return exists(s, present)
  const refused = refusal(state, pod)
  if (!present || refused || !isItsOwn(present, op.as)) return refused ?? { kind: 'pod-taken' }
  retireClaim(state, oldPod, s)
  leavePod(state, present)
  Object.assign(present, { epoch, pod, opener: op.opener, isFresh: true })
  claim(state, pod, s, epoch)
  return committed(state, s)
}

function mayReopen(session: ModelSession, epoch: number): boolean {
  // No operation of the model ends an ACTIVE session with failed:*.
  const { status, endReason } = session
  return status === 'ENDED' && isRetryableFailure({ endReason, activeAt: undefined }) && session.epoch < epoch
}

function restart(state: ModelState, s: string, session: ModelSession): void {
  const before = state.sessions.get(s)
  // The table knows this move; what it starts with is that of a new record.
  if (before) moveSession(before, 'PENDING')
  state.sessions.set(s, session)
}

export function reopen(state: ModelState, op: Op<'reopen'>): Answer {
  const { s, from, pod, epoch } = op
  const present = state.sessions.get(s)
  // Purged meanwhile: the key is free, and the open like any other.
  if (!present) return open(state, op)
  const refused = refusal(state, pod)
  if (mayReopen(present, epoch) && !refused) {
    restart(state, s, fresh(op, pod))
    claim(state, pod, s, epoch)
    return committed(state, s)
  }
  const isOurTurn = present.status === 'ENDED' && present.epoch === from
  return isOurTurn ? (refused ?? { kind: 'pod-taken' }) : exists(s, present)
}

export function cold(state: ModelState, op: Op<'cold'>): Answer {
  const { s, epoch, by, most } = op
  const present = state.sessions.get(s)
  if (present && !mayReopen(present, epoch)) return exists(s, present)
  const waiting = [...state.sessions.values()].filter((row) => row.status === 'PENDING' && !row.pod)
  if (waiting.length >= most) return { kind: 'full' }
  restart(state, s, fresh(op, undefined, by))
  return committed(state, s)
}

function pendingIn(state: ModelState, s: string, epoch: number): ModelSession | undefined {
  const session = state.sessions.get(s)
  return session?.status === 'PENDING' && session.epoch === epoch ? session : undefined
}

export function activate(state: ModelState, { s, epoch }: Op<'activate'>): Answer {
  const session = pendingIn(state, s, epoch)
  if (!session?.pod) return undefined
  moveSession(session, 'ACTIVE')
  Object.assign(session, { wasActive: true, heldBy: undefined, isOrphan: false, lapsed: session.isOverlong })
  return { kind: 'active' }
}

export function fail(state: ModelState, { s, epoch, as }: Op<'fail'>): Answer {
  const session = pendingIn(state, s, epoch)
  if (!session || !isItsOwn(session, as)) return undefined
  moveSession(session, 'ENDED')
  session.endReason = endReason.deliveryFailed
  retireClaim(state, session.pod, s)
  return { kind: 'failed', session: summaryOf(s, session) }
}

export function undo(state: ModelState, { s, epoch, pod, as }: Op<'undo'>): Answer {
  const session = pendingIn(state, s, epoch)
  if (!session || !isItsOwn(session, as)) return undefined
  moveSession(session, 'ENDED')
  session.endReason = endReason.deliveryFailed
  session.pod = undefined
  const held = pod === undefined ? undefined : state.claims.get(pod)
  if (pod !== undefined && held?.session === s && held.purpose === 'session') {
    state.claims.delete(pod)
    // What it would be without the claim.
    const idle = isHeld(state, pod) ? 'reserved' : 'ready'
    if (state.slots.get(pod) === 'claimed')
      moveSlot(state, pod, state.pods.get(pod)?.isReady ? idle : 'warming')
  }
  return { kind: 'failed', session: summaryOf(s, session) }
}

import {
  canSessionMove,
  type EndReason,
  endReason,
  isRetryableFailure,
  type SessionStatus,
} from '../../src/domain/session.ts'
import { type ClaimPurpose, canSlotMove, type SlotState } from '../../src/domain/slot.ts'

/**
 * What claims should be, in memory: slots, sessions and their claims. Every change of state goes through the gates of
 * domain/slot.ts and domain/session.ts; the SQL must come to the same.
 */

export interface ModelSession {
  status: SessionStatus
  endReason: string | undefined
  epoch: number
  pod: string | undefined
  heldBy: string | undefined
  /** Its holder has not been heard of. */
  isOrphan: boolean
  lapsed: boolean
  /** Past the longest a session may last. */
  isOverlong: boolean
  wasActive: boolean
}

export interface ModelClaim {
  readonly purpose: ClaimPurpose
  readonly session: string | undefined
  readonly epoch: number | undefined
  readonly reason: string | undefined
  /** Its session's record is purged. */
  isHistory?: boolean
}

export interface HeldSlot {
  readonly attempt: number
  readonly pod: string
  lapsed: boolean
}

/** What the API server says of a pod; it stands here until it is gone. */
export interface PodFacts {
  isReady: boolean
  isDeleting: boolean
  isDead: boolean
}

export interface ModelState {
  readonly slots: Map<string, SlotState>
  readonly pods: Map<string, PodFacts>
  readonly sessions: Map<string, ModelSession>
  readonly claims: Map<string, ModelClaim>
  /** Reservations by session. */
  readonly held: Map<string, HeldSlot>
  /** What Redis offers; it may be stale, and says nothing about a slot's state. */
  readonly index: Set<string>
  isBuilt: boolean
  /** Those who wait, and whether their replica is still heard of. */
  readonly queue: Map<string, { place: number; isSilent: boolean }>
  /** Places that opens remember while their attempts go on. */
  readonly places: Map<string, number>
  arrivals: number
}

export function newState(): ModelState {
  return {
    slots: new Map(),
    pods: new Map(),
    sessions: new Map(),
    claims: new Map(),
    held: new Map(),
    index: new Set(),
    isBuilt: false,
    queue: new Map(),
    places: new Map(),
    arrivals: 0,
  }
}

/** Moves made, by table; the test sees to it that no entry is idle. */
export const movesSeen = { slot: new Set<string>(), session: new Set<string>() }

export function moveSlot(state: ModelState, pod: string, to: SlotState): void {
  const from = state.slots.get(pod) ?? 'gone'
  if (from === to) return
  if (!canSlotMove(from, to)) throw new Error(`slot ${pod} moves from ${from} to ${to}`)
  movesSeen.slot.add(`${from} → ${to}`)
  state.slots.set(pod, to)
}

function moveSession(session: ModelSession, to: SessionStatus): void {
  if (!canSessionMove(session.status, to)) throw new Error(`a session moves from ${session.status} to ${to}`)
  movesSeen.session.add(`${session.status} → ${to}`)
  session.status = to
}

export function isHeld(state: ModelState, pod: string): boolean {
  return [...state.held.values()].some((record) => record.pod === pod)
}

// --- what PostgreSQL is asked ----------------------------------------------------------------------------------------

/** One shape for several operations, each a member of its own. */
export type Named<Name extends string, Fields = object> = Name extends string
  ? { readonly op: Name } & Readonly<Fields>
  : never

/** What a caller remembers of the row: its epoch and its pod. */
interface Memory {
  readonly from: number
  readonly oldPod: string | undefined
}

export type StoreOp =
  | Named<'open', { s: string; pod: string; epoch: number }>
  | Named<'next' | 'reopen', { s: string; pod: string; epoch: number } & Memory>
  | Named<'cold', { s: string; epoch: number; by: string; most: number }>
  | Named<'adopt', { by: string; s: string | undefined }>
  | Named<'release', { by: string }>
  | Named<'activate' | 'fail', { s: string; epoch: number }>
  /** Fails an open of which the pod was never told. */
  | Named<'undo', { s: string; epoch: number; pod: string | undefined }>
  | Named<'renew', { s: string; epoch: number; byAgent: boolean }>
  | Named<'end', { s: string; epoch: number | undefined }>
  | Named<'finish', { s: string }>
  | Named<'endOnPods' | 'retire', { pods: readonly string[] }>
  | Named<'reap' | 'purge'>

export interface Summary {
  readonly s: string
  readonly status: SessionStatus
  readonly endReason: string | undefined
  readonly epoch: number
  readonly pod: string | undefined
}

export type Answer =
  | { readonly kind: string; readonly session?: Summary }
  | readonly Summary[]
  | readonly string[]
  | number
  | undefined

export function summaryOf(s: string, { status, endReason, epoch, pod }: ModelSession): Summary {
  return { s, status, endReason, epoch, pod }
}

export const retireReason = 'surplus'
export const attemptReason = 'refused'

export function applyStoreOp(state: ModelState, op: StoreOp): Answer {
  switch (op.op) {
    case 'open':
      return open(state, op)
    case 'next':
      return next(state, op)
    case 'reopen':
      return reopen(state, op)
    case 'cold':
      return cold(state, op)
    case 'activate':
      return activate(state, op)
    case 'fail':
      return fail(state, op)
    case 'undo':
      return undo(state, op)
    case 'renew':
      return renew(state, op)
    case 'end':
      return end(state, op)
    case 'adopt':
    case 'release':
    case 'finish':
    case 'endOnPods':
    case 'reap':
      return applyToMany(state, op)
    case 'retire':
      return retire(state, op.pods)
    case 'purge':
      return purge(state)
  }
}

type Op<Name extends StoreOp['op']> = Extract<StoreOp, { op: Name }>

function claim(state: ModelState, pod: string, s: string, epoch: number): void {
  state.claims.set(pod, { purpose: 'session', session: s, epoch, reason: undefined })
  // Whoever claims a pod that is on its way out, or dead, finds that out when it delivers.
  if (['warming', 'ready', 'reserved'].includes(state.slots.get(pod) ?? '')) moveSlot(state, pod, 'claimed')
}

function retireClaim(state: ModelState, pod: string | undefined, s: string): void {
  const held = pod === undefined ? undefined : state.claims.get(pod)
  if (pod === undefined || held?.session !== s) return
  state.claims.set(pod, { ...held, purpose: 'retired', reason: attemptReason })
  if (state.slots.get(pod) !== 'gone') moveSlot(state, pod, 'draining')
}

/** The session is over, or elsewhere: its pod is on its way out. */
function leavePod(state: ModelState, { pod }: ModelSession): void {
  if (pod !== undefined && state.slots.get(pod) === 'claimed') moveSlot(state, pod, 'draining')
}

function fresh(epoch: number, pod: string | undefined, heldBy?: string): ModelSession {
  return {
    status: 'PENDING',
    endReason: undefined,
    epoch,
    pod,
    heldBy,
    isOrphan: false,
    lapsed: false,
    isOverlong: false,
    wasActive: false,
  }
}

function committed(state: ModelState, s: string): Answer {
  const session = state.sessions.get(s)
  return session && { kind: 'committed', session: summaryOf(s, session) }
}

function exists(s: string, session: ModelSession): Answer {
  return { kind: 'session-exists', session: summaryOf(s, session) }
}

function open(state: ModelState, { s, pod, epoch }: Pick<Op<'open'>, 's' | 'pod' | 'epoch'>): Answer {
  const present = state.sessions.get(s)
  if (present) return exists(s, present)
  if (state.claims.has(pod)) return { kind: 'pod-taken' }
  state.sessions.set(s, fresh(epoch, pod))
  claim(state, pod, s, epoch)
  return committed(state, s)
}

function next(state: ModelState, { s, from, oldPod, pod, epoch }: Op<'next'>): Answer {
  const present = state.sessions.get(s)
  if (present && (present.status !== 'PENDING' || present.epoch !== from)) return exists(s, present)
  if (!present || state.claims.has(pod)) return { kind: 'pod-taken' }
  retireClaim(state, oldPod, s)
  leavePod(state, present)
  present.epoch = epoch
  present.pod = pod
  claim(state, pod, s, epoch)
  return committed(state, s)
}

function mayReopen(session: ModelSession, epoch: number): boolean {
  return session.status === 'ENDED' && isRetryableFailure(session.endReason) && session.epoch < epoch
}

function restart(state: ModelState, s: string, session: ModelSession): void {
  const before = state.sessions.get(s)
  // The table knows this move; what it starts with is that of a new record.
  if (before) moveSession(before, 'PENDING')
  state.sessions.set(s, session)
}

function reopen(state: ModelState, { s, from, pod, epoch }: Op<'reopen'>): Answer {
  const present = state.sessions.get(s)
  // Purged meanwhile: the key is free, and the open like any other.
  if (!present) return open(state, { s, pod, epoch })
  if (mayReopen(present, epoch) && !state.claims.has(pod)) {
    restart(state, s, fresh(epoch, pod))
    claim(state, pod, s, epoch)
    return committed(state, s)
  }
  return present.status === 'ENDED' && present.epoch === from ? { kind: 'pod-taken' } : exists(s, present)
}

function cold(state: ModelState, { s, epoch, by, most }: Op<'cold'>): Answer {
  const present = state.sessions.get(s)
  if (present && !mayReopen(present, epoch)) return exists(s, present)
  const waiting = [...state.sessions.values()].filter((row) => row.status === 'PENDING' && !row.pod)
  if (waiting.length >= most) return { kind: 'full' }
  restart(state, s, fresh(epoch, undefined, by))
  return committed(state, s)
}

function activate(state: ModelState, { s, epoch }: Op<'activate' | 'fail'>): Answer {
  const session = state.sessions.get(s)
  if (session?.status !== 'PENDING' || session.epoch !== epoch || !session.pod) return undefined
  moveSession(session, 'ACTIVE')
  Object.assign(session, { wasActive: true, heldBy: undefined, isOrphan: false, lapsed: session.isOverlong })
  return { kind: 'active' }
}

function fail(state: ModelState, { s, epoch }: Op<'activate' | 'fail'>): Answer {
  const session = state.sessions.get(s)
  if (session?.status !== 'PENDING' || session.epoch !== epoch) return undefined
  moveSession(session, 'ENDED')
  session.endReason = endReason.deliveryFailed
  retireClaim(state, session.pod, s)
  return { kind: 'failed', session: summaryOf(s, session) }
}

function undo(state: ModelState, { s, epoch, pod }: Op<'undo'>): Answer {
  const session = state.sessions.get(s)
  if (session?.status !== 'PENDING' || session.epoch !== epoch) return undefined
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

function refusal(
  state: ModelState,
  s: string,
  epoch: number | undefined,
): { kind: string; session?: Summary } {
  const session = state.sessions.get(s)
  if (!session) return { kind: 'not-found' }
  const kind = epoch !== undefined && session.epoch !== epoch ? 'stale-epoch' : 'over'
  return { kind, session: summaryOf(s, session) }
}

function isLive(session: ModelSession | undefined): session is ModelSession {
  return session?.status === 'PENDING' || session?.status === 'ACTIVE'
}

function renew(state: ModelState, { s, epoch, byAgent }: Op<'renew'>): Answer {
  const session = state.sessions.get(s)
  if (!isLive(session) || session.epoch !== epoch) return refusal(state, s, epoch)
  if (session.status === 'ACTIVE' || !byAgent) session.lapsed = session.isOverlong
  return { kind: 'done', session: summaryOf(s, session) }
}

function beginEnding(state: ModelState, s: string, session: ModelSession, reason: EndReason): Summary {
  moveSession(session, 'ENDING')
  session.endReason = reason
  leavePod(state, session)
  return summaryOf(s, session)
}

function end(state: ModelState, { s, epoch }: Op<'end'>): Answer {
  const session = state.sessions.get(s)
  if (isLive(session) && (epoch === undefined || session.epoch === epoch))
    return { kind: 'done', session: beginEnding(state, s, session, endReason.caller) }
  const refused = refusal(state, s, epoch)
  return refused.kind === 'over' ? { ...refused, kind: 'done' } : refused
}

// --- several rows at once --------------------------------------------------------------------------------------------

function applyToMany(
  state: ModelState,
  op: Op<'adopt' | 'release' | 'finish' | 'endOnPods' | 'reap'>,
): Answer {
  const changed: Summary[] = []
  for (const [s, session] of state.sessions) {
    const summary = touch(state, { s, session, op })
    if (summary) changed.push(summary)
  }
  return op.op === 'release' || op.op === 'finish' ? undefined : sortedSummaries(changed)
}

interface Touched {
  readonly s: string
  readonly session: ModelSession
  readonly op: Op<'adopt' | 'release' | 'finish' | 'endOnPods' | 'reap'>
}

function touch(state: ModelState, { s, session, op }: Touched): Summary | undefined {
  const isPending = session.status === 'PENDING'
  switch (op.op) {
    case 'adopt':
      if (!isPending || !session.heldBy || !session.isOrphan || (op.s ?? s) !== s) return undefined
      Object.assign(session, { heldBy: op.by, isOrphan: false })
      return summaryOf(s, session)
    case 'release':
      if (isPending && session.heldBy === op.by) session.isOrphan = true
      return undefined
    case 'finish':
      if (op.s === s && session.status === 'ENDING') moveSession(session, 'ENDED')
      return undefined
    case 'endOnPods':
      if (!isLive(session) || !op.pods.includes(session.pod ?? '')) return undefined
      return beginEnding(state, s, session, isPending ? endReason.deliveryFailed : endReason.podDied)
    case 'reap': {
      if (!isLive(session) || !session.lapsed) return undefined
      const reason = session.isOverlong ? endReason.maxDuration : endReason.leaseLapsed
      return beginEnding(state, s, session, isPending ? endReason.abandoned : reason)
    }
  }
}

export function sortedSummaries(summaries: readonly Summary[]): readonly Summary[] {
  return [...summaries].sort((a, b) => (a.s < b.s ? -1 : 1))
}

function retire(state: ModelState, pods: readonly string[]): readonly string[] {
  for (const pod of pods) {
    if (state.claims.has(pod)) continue
    state.claims.set(pod, { purpose: 'retired', session: undefined, epoch: undefined, reason: retireReason })
    if (state.slots.get(pod) !== 'gone') moveSlot(state, pod, 'draining')
  }
  return [...new Set(pods)].filter((pod) => state.claims.get(pod)?.purpose === 'retired').sort()
}

function purge(state: ModelState): number {
  const ended = [...state.sessions].filter(([, { status }]) => status === 'ENDED')
  for (const [s] of ended) state.sessions.delete(s)
  // Claims outlive the records they name; a key that is opened again begins to count anew.
  for (const claim of state.claims.values())
    if (!state.sessions.has(claim.session ?? '')) claim.isHistory = true
  return ended.length
}

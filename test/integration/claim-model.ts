import type { LeaseHolder } from '../../src/domain/lease-holder.ts'
import { canSessionMove, type SessionStatus } from '../../src/domain/session.ts'
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
  leaseHeldBy: LeaseHolder
  /** Its holder has not been heard of. */
  isOrphan: boolean
  lapsed: boolean
  /** Past the longest a session may last. */
  isOverlong: boolean
  wasActive: boolean
  /** The open that may have told its caller before the row is ACTIVE. */
  opener: Opener | undefined
  /** Its pod was claimed a moment ago. */
  isFresh: boolean
}

export type Opener = 'x' | 'y'

/** PENDING, and its caller may know of it. */
export function mayBeTold({ status, opener }: ModelSession): boolean {
  return status === 'PENDING' && opener !== undefined
}

export interface ModelClaim {
  readonly purpose: ClaimPurpose
  readonly session: string | undefined
  readonly epoch: number | undefined
  readonly reason: string | undefined
}

interface HeldSlot {
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
  /** Pods that the controller noted. */
  readonly noted: Set<string>
  /** Reservations by session. */
  readonly held: Map<string, HeldSlot>
  /** What Redis offers; it may be stale, and says nothing about a slot's state. */
  readonly index: Set<string>
  isBuilt: boolean
  /** The waiters, and whether their replica still sends heartbeats. */
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
    noted: new Set(),
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

export function moveSession(session: ModelSession, to: SessionStatus): void {
  if (!canSessionMove(session.status, to)) throw new Error(`a session moves from ${session.status} to ${to}`)
  movesSeen.session.add(`${session.status} → ${to}`)
  session.status = to
}

export function isHeld(state: ModelState, pod: string): boolean {
  return [...state.held.values()].some((record) => record.pod === pod)
}

export function isLive(session: ModelSession | undefined): session is ModelSession {
  return session?.status === 'PENDING' || session?.status === 'ACTIVE'
}

/** The session is over, or elsewhere: its pod is on its way out. */
export function leavePod(state: ModelState, { pod }: ModelSession): void {
  if (pod !== undefined && state.slots.get(pod) === 'claimed') moveSlot(state, pod, 'draining')
}

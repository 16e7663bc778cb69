import { isHeld, type ModelState, moveSlot } from './claim-model.ts'

/** What the index and the pods themselves do to slots: Redis' side and Kubernetes' side of the model. */

export type IndexOp =
  | { readonly op: 'reserve'; readonly s: string; readonly attempt: number }
  | { readonly op: 'settle' | 'giveBack'; readonly s: string; readonly pod: string }
  | { readonly op: 'lapseReservation' | 'leave' | 'goSilent'; readonly s: string }
  | { readonly op: 'wait'; readonly s: string; readonly isUrgent: boolean }
  | { readonly op: 'add' | 'drop' | 'rebuild'; readonly pods: readonly string[] }
  | { readonly op: 'wipe' }

export type PodOp = {
  readonly op: 'podReady' | 'podUnready' | 'podDies' | 'podDeleted' | 'podGone'
  readonly pod: string
}

/** More than the arrivals of any run: an urgent waiter comes before all others. */
const headStart = 1_000_000

export function applyIndexOp(state: ModelState, op: IndexOp): unknown {
  switch (op.op) {
    case 'reserve':
      return reserve(state, op.s, op.attempt)
    case 'settle':
      if (state.held.get(op.s)?.pod === op.pod) letGo(state, op.s)
      return undefined
    case 'giveBack':
      if (state.held.get(op.s)?.pod === op.pod) giveBack(state, op.s)
      return undefined
    case 'lapseReservation': {
      const record = state.held.get(op.s)
      if (record) record.lapsed = true
      return undefined
    }
    case 'wait':
      return wait(state, op.s, op.isUrgent)
    case 'leave':
      state.queue.delete(op.s)
      state.places.delete(op.s)
      return undefined
    case 'goSilent': {
      const waiter = state.queue.get(op.s)
      if (waiter) waiter.isSilent = true
      return undefined
    }
    case 'add':
      for (const pod of op.pods) if (!isHeld(state, pod)) state.index.add(pod)
      return undefined
    case 'drop':
      for (const pod of op.pods) state.index.delete(pod)
      return undefined
    case 'rebuild':
      state.index.clear()
      for (const pod of op.pods) if (!isHeld(state, pod)) state.index.add(pod)
      state.isBuilt = true
      return undefined
    case 'wipe':
      for (const s of state.held.keys()) letGo(state, s)
      state.index.clear()
      state.queue.clear()
      state.isBuilt = false
      return undefined
  }
}

/** Forgets a reservation. What was not claimed meanwhile is as it was before. */
function letGo(state: ModelState, s: string): void {
  const pod = state.held.get(s)?.pod
  state.held.delete(s)
  if (pod !== undefined && state.slots.get(pod) === 'reserved') moveSlot(state, pod, 'ready')
}

function giveBack(state: ModelState, s: string): void {
  const pod = state.held.get(s)?.pod
  letGo(state, s)
  if (pod !== undefined) state.index.add(pod)
}

function reserve(state: ModelState, s: string, attempt: number): unknown {
  for (const [other, record] of state.held) if (record.lapsed && other !== s) giveBack(state, other)
  const own = state.held.get(s)
  if (own && own.attempt > attempt) return { kind: 'stale' }
  if (own?.attempt === attempt) {
    own.lapsed = false
    return { kind: 'reserved', podUid: own.pod }
  }
  if (own) letGo(state, s)
  if (!state.isBuilt) return { kind: 'unknown' }
  for (const [waiter, { isSilent }] of state.queue) if (isSilent) state.queue.delete(waiter)
  const first = [...state.index].sort()[0]
  const turn = inOrder(state).indexOf(s)
  if (first === undefined || (turn < 0 ? state.queue.size : turn) >= state.index.size)
    return { kind: 'empty' }
  state.queue.delete(s)
  state.index.delete(first)
  state.held.set(s, { attempt, pod: first, lapsed: false })
  // A stale entry is handed out as well, and turns out to be useless.
  if (state.slots.get(first) === 'ready') moveSlot(state, first, 'reserved')
  return { kind: 'reserved', podUid: first }
}

export function inOrder({ queue }: ModelState): string[] {
  return [...queue].sort(([, a], [, b]) => a.place - b.place).map(([s]) => s)
}

function wait(state: ModelState, s: string, isUrgent: boolean): undefined {
  state.arrivals += 1
  const kept = state.places.get(s)
  const offered = kept ?? state.arrivals - (isUrgent ? headStart : 0)
  // A waiter that is in the queue already keeps its place.
  const place = state.queue.get(s)?.place ?? offered
  state.queue.set(s, { place, isSilent: false })
  state.places.set(s, place)
}

export function applyPodOp(state: ModelState, { op, pod }: PodOp): void {
  const facts = state.pods.get(pod)
  const slot = state.slots.get(pod)
  if (!facts || !slot) return
  switch (op) {
    case 'podReady':
      facts.isReady = true
      if (slot === 'warming') moveSlot(state, pod, isHeld(state, pod) ? 'reserved' : 'ready')
      return
    case 'podUnready':
      facts.isReady = false
      if (slot === 'ready' || slot === 'reserved') moveSlot(state, pod, 'warming')
      return
    case 'podDies':
      facts.isDead = true
      // A pod that is being removed is on its way out already.
      if (!facts.isDeleting && state.claims.get(pod)?.purpose !== 'retired') moveSlot(state, pod, 'failed')
      return
    case 'podDeleted':
      facts.isDeleting = true
      return moveSlot(state, pod, 'draining')
    case 'podGone':
      state.pods.delete(pod)
      return moveSlot(state, pod, 'gone')
  }
}

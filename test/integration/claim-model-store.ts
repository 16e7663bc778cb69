import { type EndReason, endReason, extendsLease } from '../../src/domain/session.ts'
import {
  isLive,
  leavePod,
  type ModelSession,
  type ModelState,
  mayBeTold,
  moveSession,
  moveSlot,
} from './claim-model.ts'
import { activate, cold, fail, next, open, reopen, undo } from './claim-model-opens.ts'
import {
  type Answer,
  type Op,
  retireReason,
  type StoreOp,
  type Summary,
  sortedSummaries,
  summaryOf,
} from './claim-model-store-ops.ts'

/** PostgreSQL's side of the model: everything that it is asked, and how a session goes on once it is open. */

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
    case 'note':
      for (const pod of op.pods) state.noted.add(pod)
      return undefined
    case 'purge':
      return purge(state)
  }
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

function renew(state: ModelState, { s, epoch, byAgent }: Op<'renew'>): Answer {
  const session = state.sessions.get(s)
  if (!isLive(session) || session.epoch !== epoch) return refusal(state, s, epoch)
  if (extendsLease(byAgent ? 'agent' : 'caller', session)) session.lapsed = session.isOverlong
  return { kind: 'done', session: summaryOf(s, session) }
}

function beginEnding(state: ModelState, s: string, session: ModelSession, reason: EndReason): Summary {
  // What its caller may have been told stands.
  if (mayBeTold(session)) session.wasActive = true
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
  // As good as ACTIVE, for whoever cannot know what its caller was told.
  const isUntold = isPending && !mayBeTold(session)
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
      return beginEnding(state, s, session, isUntold ? endReason.deliveryFailed : endReason.podDied)
    case 'reap': {
      if (!isLive(session) || !session.lapsed) return undefined
      if (mayBeTold(session) && session.isFresh && !session.isOverlong) return undefined
      const reason = session.isOverlong ? endReason.maxDuration : endReason.leaseLapsed
      return beginEnding(state, s, session, isUntold ? endReason.abandoned : reason)
    }
  }
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
  // A key that is opened again begins to count anew, so a record stays as long as a claim of it does.
  const claimed = new Set([...state.claims.values()].map(({ session }) => session))
  const ended = [...state.sessions].filter(([s, { status }]) => status === 'ENDED' && !claimed.has(s))
  for (const [s] of ended) state.sessions.delete(s)
  return ended.length
}

import { type Answer, type Call, callsOf, describeCall, type HistoryEntry } from './history.ts'

/**
 * A small linearizability check (Wing and Gong's search, with Lowe's memory of places seen), one pod at a time: pods
 * share no state, so a history is linearizable if and only if each pod's part is. The model of one pod:
 * unclaimed → claimed by session S with epoch E → ended.
 */

export interface Violation {
  readonly kind: 'not-linearizable' | 'two-pods' | 'two-sessions'
  /** What it is about: a pod UID, a session id or an Idempotency-Key. */
  readonly subject: string
  /** The operations that cannot all be true, in the order of invocation. */
  readonly calls: readonly string[]
}

/** Empty if one order of events explains every answer: an order in which an operation that was answered comes before those asked later. */
export function violationsOf(entries: readonly HistoryEntry[]): readonly Violation[] {
  const calls = callsOf(entries)
  const unexplained = [...partsOf(calls)]
    .filter(([, part]) => !isLinearizable(part))
    .map(([pod, part]) => ({
      kind: 'not-linearizable' as const,
      subject: pod,
      calls: part.map(({ call }) => describeCall(call)),
    }))
  return [...unexplained, ...ofSessions(calls)]
}

// --- The model of one pod --------------------------------------------------------------------------------------------

type PodState =
  | { readonly is: 'unclaimed' }
  | { readonly is: 'claimed' | 'ended'; readonly session: string; readonly epoch: number }

/** One step on one pod, as an answer (or its absence) tells it. */
interface Step {
  readonly call: Call
  readonly kind: 'open' | 'hold' | 'over' | 'stale' | 'end' | 'lost'
  readonly session: string
  /** undefined: whatever it is. */
  readonly epoch: number | undefined
}

const unclaimed: PodState = { is: 'unclaimed' }

/** undefined when the pod in this state could not have answered so. */
function after(state: PodState, { kind, session, epoch }: Step): PodState | undefined {
  if (state.is === 'unclaimed') {
    if (kind === 'open' && epoch !== undefined) return { is: 'claimed', session, epoch }
    // The retry of an open whose answer was lost, and whose session is over already.
    if (kind === 'over' && epoch !== undefined) return { is: 'ended', session, epoch }
    return undefined
  }
  if (state.session !== session) return undefined
  const isOwn = epoch === undefined || epoch === state.epoch
  switch (kind) {
    case 'open':
    case 'hold':
      return state.is === 'claimed' && isOwn ? state : undefined
    // A lease lapses and a pod dies by itself: that a session is over may be learnt at any time, and is true for ever.
    case 'over':
    case 'end':
      if (!isOwn) return undefined
      return state.is === 'ended' ? state : { ...state, is: 'ended' }
    case 'stale':
      return isOwn ? undefined : state
    case 'lost':
      return undefined
  }
}

// --- Which operation says what about which pod -----------------------------------------------------------------------

function partsOf(calls: readonly Call[]): ReadonlyMap<string, readonly Step[]> {
  const held = new Map<string, Answer>()
  const opened = new Map<string, Answer>()
  for (const { operation, outcome } of calls) {
    // What has never been ACTIVE says nothing about a pod.
    if (outcome.type !== 'ok' || outcome.answer.pod === '') continue
    const { session } = outcome.answer
    held.set(session, held.get(session) ?? outcome.answer)
    if (operation.kind === 'open' && operation.key !== undefined && !opened.has(operation.key))
      opened.set(operation.key, outcome.answer)
  }
  const parts = new Map<string, Step[]>()
  for (const call of calls.map((call) => whenClaimed(call, held))) {
    const step = stepOf(call, opened)
    const pod = call.outcome.type === 'ok' ? call.outcome.answer.pod : podMeant(call, held, opened)
    if (!step || pod === undefined || pod === '') continue
    const part = parts.get(pod) ?? []
    parts.set(pod, part)
    part.push(step)
  }
  return parts
}

/** A cold open is answered before it has a pod: it claims the one that later answers tell of, as late as it likes. */
function whenClaimed(call: Call, held: ReadonlyMap<string, Answer>): Call {
  const { operation, outcome } = call
  if (operation.kind !== 'open' || outcome.type !== 'ok' || outcome.answer.pod !== '') return call
  const answer = held.get(outcome.answer.session)
  if (!answer || !outcome.answer.live) return call
  return {
    ...call,
    returnedAt: Number.POSITIVE_INFINITY,
    outcome: { type: 'ok', answer: { ...answer, live: true } },
  }
}

function podMeant(
  { operation }: Call,
  held: ReadonlyMap<string, { pod: string }>,
  opened: ReadonlyMap<string, { pod: string }>,
): string | undefined {
  return operation.kind === 'open' ? opened.get(operation.key ?? '')?.pod : held.get(operation.session)?.pod
}

/** undefined for what says nothing about a pod. */
function stepOf(
  call: Call,
  opened: ReadonlyMap<string, { session: string; epoch: number }>,
): Step | undefined {
  const { operation, outcome } = call
  if (outcome.type === 'ok') {
    const { session, epoch, live } = outcome.answer
    if (operation.kind === 'open') return { call, kind: live ? 'open' : 'over', session, epoch }
    if (operation.kind === 'end') return { call, kind: 'end', session, epoch: operation.epoch }
    if (operation.kind === 'read') return { call, kind: live ? 'hold' : 'over', session, epoch }
    return { call, kind: 'hold', session, epoch: operation.epoch }
  }
  if (operation.kind === 'open') {
    // What came of it is known by its retry alone. A refusal had no effect.
    const later = outcome.type === 'unknown' ? opened.get(operation.key ?? '') : undefined
    return later && { call, kind: 'open', session: later.session, epoch: later.epoch }
  }
  const { session } = operation
  if (outcome.type === 'unknown')
    return operation.kind === 'end' ? { call, kind: 'end', session, epoch: operation.epoch } : undefined
  if (outcome.code === 'GRN_SESSION_OVER') return { call, kind: 'over', session, epoch: undefined }
  if (outcome.code === 'GRN_SESSION_NOT_FOUND') return { call, kind: 'lost', session, epoch: undefined }
  if (outcome.code === 'GRN_STALE_EPOCH' && 'epoch' in operation)
    return { call, kind: 'stale', session, epoch: operation.epoch }
  return undefined
}

// --- The search ------------------------------------------------------------------------------------------------------

/** Whether some order of these steps is possible in which none comes before one that was answered before it was asked. */
function isLinearizable(steps: readonly Step[]): boolean {
  const isUnknown = (step: Step) => step.call.outcome.type === 'unknown'
  const seen = new Set<string>()
  const search = (done: ReadonlySet<number>, state: PodState): boolean => {
    const place = `${[...done].sort((a, b) => a - b).join(',')} ${JSON.stringify(state)}`
    if (seen.has(place)) return false
    seen.add(place)
    const left = steps.map((step, n) => [step, n] as const).filter(([, n]) => !done.has(n))
    // What is unknown may as well never have happened.
    if (left.every(([step]) => isUnknown(step))) return true
    const firstReturn = Math.min(...left.map(([{ call }]) => call.returnedAt))
    const possible = left.flatMap(([step, n]) => {
      const next = step.call.invokedAt > firstReturn ? undefined : after(state, step)
      return next ? [{ step, n, next }] : []
    })
    // What is true now and changes nothing may be taken at once: every order that has it later works with it here.
    const idle = possible.find(({ step, next }) => next === state && !isUnknown(step))
    return (idle ? [idle] : possible).some(({ n, next }) => search(new Set(done).add(n), next))
  }
  return search(new Set(), unclaimed)
}

// --- Sessions and keys -----------------------------------------------------------------------------------------------

/** One pod a session after its 201; one session a key. */
function ofSessions(calls: readonly Call[]): readonly Violation[] {
  const bySession = new Map<string, Call[]>()
  const byKey = new Map<string, Call[]>()
  for (const call of calls) {
    const { operation, outcome } = call
    if (outcome.type !== 'ok') continue
    note(bySession, outcome.answer.session, call)
    if (operation.kind === 'open' && operation.key !== undefined) note(byKey, operation.key, call)
  }
  const differing = (groups: Map<string, Call[]>, kind: Violation['kind'], field: 'pod' | 'session') =>
    [...groups]
      .filter(([, group]) => new Set(group.flatMap((call) => answered(call)[field] || [])).size > 1)
      .map(([subject, group]) => ({ kind, subject, calls: group.map(describeCall) }))
  return [...differing(bySession, 'two-pods', 'pod'), ...differing(byKey, 'two-sessions', 'session')]
}

function note(groups: Map<string, Call[]>, name: string, call: Call): void {
  const group = groups.get(name) ?? []
  groups.set(name, group)
  group.push(call)
}

function answered({ outcome }: Call): { pod: string; session: string } {
  if (outcome.type !== 'ok') throw new Error('only answers say which pod')
  return outcome.answer
}

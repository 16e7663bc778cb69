/** What callers asked and heard, and what was done to the servers meanwhile: the evidence of a fault test. */

export type Operation =
  | { readonly kind: 'open'; readonly key: string | undefined }
  | { readonly kind: 'renew'; readonly session: string; readonly epoch: number }
  | { readonly kind: 'end'; readonly session: string; readonly epoch?: number }
  | { readonly kind: 'read'; readonly session: string }

/** What an answer says about a session. */
export interface Answer {
  readonly session: string
  /** Empty while the session has never been ACTIVE: a cold open waits, and a pod that it tries may not take it. */
  readonly pod: string
  readonly epoch: number
  /** PENDING or ACTIVE; false for one that is ending or over. */
  readonly live: boolean
}

/**
 * `fail`: refused, without effect; `code` says why. `unknown`: no answer, or one that leaves the outcome open: it may
 * have happened or not, at any time after it was asked.
 */
export type Outcome =
  | { readonly type: 'ok'; readonly answer: Answer }
  | { readonly type: 'fail'; readonly code: string }
  | { readonly type: 'unknown'; readonly code: string }

interface At {
  /** Monotonic milliseconds. */
  readonly at: number
}

export type HistoryEntry =
  | (At & {
      readonly type: 'invoke'
      /** Number of the operation: its outcome has the same. */
      readonly id: number
      readonly process: number
      readonly operation: Operation
    })
  | (At & { readonly id: number; readonly process: number } & Outcome)
  | (At & { readonly type: 'fault'; readonly fault: string })

/** One operation with its interval. */
export interface Call {
  readonly id: number
  readonly process: number
  readonly operation: Operation
  readonly invokedAt: number
  /** Infinity if the outcome is unknown: it may take effect as late as it likes. */
  readonly returnedAt: number
  readonly outcome: Outcome
}

export interface History {
  /** Says that an operation begins; the function it returns takes its outcome, once. */
  invoke(process: number, operation: Operation): (outcome: Outcome) => void
  fault(fault: string): void
  entries(): readonly HistoryEntry[]
}

export function createHistory(now: () => number = () => performance.now()): History {
  const entries: HistoryEntry[] = []
  let ids = 0
  return {
    invoke(process, operation) {
      const id = (ids += 1)
      entries.push({ type: 'invoke', at: now(), id, process, operation })
      let settled = false
      return (outcome) => {
        if (settled) throw new Error(`operation ${id} has two outcomes`)
        settled = true
        entries.push({ ...outcome, at: now(), id, process })
      }
    },
    fault: (fault) => void entries.push({ type: 'fault', at: now(), fault }),
    entries: () => entries,
  }
}

/** Pairs invocations with outcomes; one that never heard is unknown. In the order of invocation. */
export function callsOf(entries: readonly HistoryEntry[]): readonly Call[] {
  const outcomes = new Map<number, Outcome & At>()
  for (const entry of entries) {
    if (entry.type !== 'invoke' && entry.type !== 'fault') outcomes.set(entry.id, entry)
  }
  return entries
    .filter((entry) => entry.type === 'invoke')
    .map(({ id, process, operation, at }) => {
      const heard = outcomes.get(id)
      const outcome: Outcome = heard ?? { type: 'unknown', code: 'no-answer' }
      const returnedAt = heard && heard.type !== 'unknown' ? heard.at : Number.POSITIVE_INFINITY
      return { id, process, operation, invokedAt: at, returnedAt, outcome }
    })
    .toSorted((a, b) => a.invokedAt - b.invokedAt)
}

/** One line for people: `#12 p3 open k7 [1204.1 … 1219.8] → ok session 0198… pod 4f… epoch 1`. */
export function describeCall({ id, process, operation, invokedAt, returnedAt, outcome }: Call): string {
  const { kind } = operation
  const what = kind === 'open' ? `open ${operation.key ?? '-'}` : `${kind} ${operation.session}`
  const epoch = 'epoch' in operation && operation.epoch !== undefined ? ` epoch ${operation.epoch}` : ''
  const until = Number.isFinite(returnedAt) ? returnedAt.toFixed(1) : 'unknown'
  return `#${id} p${process} ${what}${epoch} [${invokedAt.toFixed(1)} … ${until}] → ${described(outcome)}`
}

function described(outcome: Outcome): string {
  if (outcome.type !== 'ok') return `${outcome.type} ${outcome.code}`
  const { session, pod, epoch, live } = outcome.answer
  return `ok session ${session} pod ${pod} epoch ${epoch}${live ? '' : ' over'}`
}

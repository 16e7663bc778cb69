import { GreenroomError } from '../errors.ts'

/**
 * One statement for many callers: what arrives while a statement is on its way goes with the next one. A lone caller
 * waits for nobody; under load the cost of a commit (an fsync, a round trip) is shared.
 */

export type GroupResult<Output> =
  | { readonly ok: true; readonly value: Output }
  | { readonly ok: false; readonly error: unknown }

/**
 * Answers for each input, in order. What it throws fails the whole group, so it should do so for none of its own.
 * `until`: when the callers are told that there is no answer, monotonic milliseconds.
 */
export type RunGroup<Input, Output> = (
  inputs: readonly Input[],
  until: number,
) => Promise<readonly GroupResult<Output>[]>

interface GroupCommitOptions<Input, Output> {
  readonly run: RunGroup<Input, Output>
  readonly maxSize: number
  /** Statements at a time; with two, one travels while the other is on the disk. */
  readonly maxInFlight: number
  /** What has waited this long is refused, not run: the caller was promised an answer. */
  readonly maxWaitMs: number
  /** Waiting included; after it the caller hears that there is no answer, whatever becomes of the statement. */
  readonly answerWithinMs: number
}

interface Waiting<Input, Output> {
  readonly input: Input
  readonly since: number
  readonly resolve: (output: Output) => void
  readonly reject: (error: unknown) => void
}

/** Refusal of a caller whose statement was never sent: nothing has happened. */
export class NotSentError extends GreenroomError {
  constructor() {
    super('GRN_DATABASE_UNAVAILABLE', 'PostgreSQL is too slow: the statement was not sent.', {
      retryAfterMs: 1_000,
    })
  }
}

function noAnswerInTime(): GreenroomError {
  return new GreenroomError('GRN_DATABASE_UNAVAILABLE', undefined, { retryAfterMs: 1_000 })
}

/** As many as leave the others a connection. */
const lanes = 6

/**
 * For a group that failed because of one of its own: each by itself, so that none fails for its neighbour, and several
 * at a time, so that none waits for it either. After `sendUntil` nothing more is sent: its caller would be gone.
 */
export async function runEachAlone<Input, Output>(
  inputs: readonly Input[],
  run: (input: Input) => Promise<GroupResult<Output>>,
  sendUntil: number,
): Promise<readonly GroupResult<Output>[]> {
  const results: GroupResult<Output>[] = []
  const left = inputs.entries()
  async function lane(): Promise<void> {
    for (const [position, input] of left) {
      const isLate = performance.now() >= sendUntil
      results[position] = isLate ? { ok: false, error: new NotSentError() } : await run(input)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return results
}

export function createGroupCommit<Input, Output>(options: GroupCommitOptions<Input, Output>) {
  const { run, maxSize, maxInFlight, maxWaitMs, answerWithinMs } = options
  const waiting: Waiting<Input, Output>[] = []
  let inFlight = 0
  let expiry: NodeJS.Timeout | undefined

  function start(): void {
    while (inFlight < maxInFlight && waiting.length > 0) {
      const group = waiting.splice(0, maxSize)
      inFlight += 1
      void runGroup(group).finally(() => {
        inFlight -= 1
        start()
      })
    }
    watchExpiry()
  }

  async function runGroup(group: readonly Waiting<Input, Output>[]): Promise<void> {
    const until = (group[0]?.since ?? 0) + answerWithinMs
    const tooLate = setTimeout(
      () => {
        for (const { reject } of group) reject(noAnswerInTime())
      },
      Math.max(1, until - performance.now()),
    )
    try {
      const results = await run(
        group.map(({ input }) => input),
        until,
      )
      for (const [index, { resolve, reject }] of group.entries()) {
        const result = results[index]
        if (result?.ok) resolve(result.value)
        else reject(result?.error ?? new Error('a group statement gave fewer results than it had inputs'))
      }
    } catch (error) {
      for (const { reject } of group) reject(error)
    } finally {
      clearTimeout(tooLate)
    }
  }

  /** The oldest is first: one timer is enough. */
  function watchExpiry(): void {
    clearTimeout(expiry)
    const oldest = waiting[0]
    if (!oldest) return
    expiry = setTimeout(
      () => {
        while (waiting[0] && performance.now() - waiting[0].since >= maxWaitMs)
          waiting.shift()?.reject(new NotSentError())
        watchExpiry()
      },
      Math.max(1, oldest.since + maxWaitMs - performance.now()),
    )
  }

  return function submit(input: Input): Promise<Output> {
    return new Promise((resolve, reject) => {
      waiting.push({ input, since: performance.now(), resolve, reject })
      // What this turn of the event loop brings goes together; a burst of arrivals needs no statement each.
      if (waiting.length === 1 && inFlight < maxInFlight) setImmediate(start)
      else if (waiting.length === 1) watchExpiry()
    })
  }
}

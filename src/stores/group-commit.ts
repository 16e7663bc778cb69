import { GreenroomError } from '../errors.ts'

/**
 * One statement for many callers: what arrives while a statement is on its way goes with the next one. A lone caller
 * waits for nobody; under load the cost of a commit (an fsync, a round trip) is shared.
 */

export type GroupResult<Output> =
  | { readonly ok: true; readonly value: Output }
  | { readonly ok: false; readonly error: unknown }

interface GroupCommitOptions<Input, Output> {
  /** Answers for each input, in order. What it throws fails the whole group, so it should do so for none of its own. */
  readonly run: (inputs: readonly Input[]) => Promise<readonly GroupResult<Output>[]>
  readonly maxSize: number
  /** Statements at a time; with two, one travels while the other is on the disk. */
  readonly maxInFlight: number
  /** What has waited this long is refused, not run: the caller was promised an answer. */
  readonly maxWaitMs: number
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

export function createGroupCommit<Input, Output>(options: GroupCommitOptions<Input, Output>) {
  const { run, maxSize, maxInFlight, maxWaitMs } = options
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
    try {
      const results = await run(group.map(({ input }) => input))
      for (const [index, { resolve, reject }] of group.entries()) {
        const result = results[index]
        if (result?.ok) resolve(result.value)
        else reject(result?.error ?? new Error('a group statement gave fewer results than it had inputs'))
      }
    } catch (error) {
      for (const { reject } of group) reject(error)
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

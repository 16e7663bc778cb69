import { GreenroomError } from '../errors.ts'
import { type AskedFrom, askedFrom, doneFor } from '../tracing/spans.ts'

/**
 * One statement for many callers. Under load they share the cost of a commit (an fsync, a round trip). A group is in one
 * of these modes:
 *
 * - at once: nothing is on its way, so a lone caller is sent in the same turn of the event loop;
 * - gathering: a statement is on its way, and what arrives meanwhile goes with the next one;
 * - side by side: a statement takes longer than `patienceMs`, or a whole group waits, so another is sent beside it;
 * - one by one: a statement failed because of one input, so each input is tried alone, several at a time;
 * - refused: what waited for `maxWaitMs` is never sent ({@link NotSentError}).
 */

interface GroupCommitOptions<Input, Output> {
  /** One statement: an answer for each input, in order. */
  readonly run: (inputs: readonly Input[]) => Promise<readonly Output[]>
  /** Whether an error means the same for all inputs. After any other error each input is tried alone. */
  readonly failsAll: (error: unknown) => boolean
  readonly maxSize: number
  /** Most statements at a time. */
  readonly maxInFlight: number
  /** How long inputs wait for the statement on its way before another one is sent beside it. */
  readonly patienceMs: number
  /** An input that has waited this long is refused and not run: its caller was promised an answer. */
  readonly maxWaitMs: number
  /** After this time, waiting included, the caller is told that there is no answer, even if the statement still runs. */
  readonly answerWithinMs: number
  /** The time that a statement may need. With less than that left for its caller it is not sent. */
  readonly leastLeftMs: number
}

interface Waiting<Input, Output> {
  readonly input: Input
  readonly since: number
  readonly from: AskedFrom
  readonly resolve: (output: Output) => void
  readonly reject: (error: unknown) => void
}

/** Refuses a caller whose statement was never sent: nothing has happened. */
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

/** Inputs tried alone at a time; the pool's other connections stay free for others. */
const lanes = 6

export function createGroupCommit<Input, Output>(options: GroupCommitOptions<Input, Output>) {
  const { run, failsAll, maxSize, maxInFlight, patienceMs, maxWaitMs, answerWithinMs, leastLeftMs } = options
  const waiting: Waiting<Input, Output>[] = []
  let inFlight = 0
  let lastSent = Number.NEGATIVE_INFINITY
  let impatience: NodeJS.Timeout | undefined
  let expiry: NodeJS.Timeout | undefined

  function maySend(): boolean {
    if (inFlight === 0) return true
    if (inFlight >= maxInFlight) return false
    return waiting.length >= maxSize || performance.now() - lastSent >= patienceMs
  }

  function start(): void {
    while (waiting.length > 0 && maySend()) {
      const group = waiting.splice(0, maxSize)
      inFlight += 1
      lastSent = performance.now()
      void runGroup(group).finally(() => {
        inFlight -= 1
        start()
      })
    }
    watch()
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
      await answer(group)
    } catch (error) {
      if (group.length === 1 || failsAll(error)) for (const { reject } of group) reject(error)
      else await answerEachAlone(group, until - leastLeftMs)
    } finally {
      clearTimeout(tooLate)
    }
  }

  async function answer(group: readonly Waiting<Input, Output>[]): Promise<void> {
    const askers = group.map(({ from }) => from)
    const outputs = await doneFor(askers, () => run(group.map(({ input }) => input)))
    if (outputs.length !== group.length)
      throw new Error('a group statement gave another number of answers than it had inputs')
    for (const [position, output] of outputs.entries()) group[position]?.resolve(output)
  }

  /**
   * After a failure because of one input: each is tried alone, so that none fails for another, and several at a time, so
   * that none waits for another. After `sendUntil` nothing more is sent, because the caller would be gone.
   */
  async function answerEachAlone(group: readonly Waiting<Input, Output>[], sendUntil: number): Promise<void> {
    const left = group.values()
    async function lane(): Promise<void> {
      for (const waiter of left) {
        if (performance.now() >= sendUntil) waiter.reject(new NotSentError())
        else await answer([waiter]).catch((error: unknown) => waiter.reject(error))
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
  }

  /** Sets the timers of what waits. The oldest input is first, so one timer of each kind is enough. */
  function watch(): void {
    clearTimeout(impatience)
    clearTimeout(expiry)
    const oldest = waiting[0]
    if (!oldest) return
    if (inFlight < maxInFlight)
      impatience = setTimeout(start, Math.max(1, lastSent + patienceMs - performance.now()))
    expiry = setTimeout(
      () => {
        while (waiting[0] && performance.now() - waiting[0].since >= maxWaitMs)
          waiting.shift()?.reject(new NotSentError())
        watch()
      },
      Math.max(1, oldest.since + maxWaitMs - performance.now()),
    )
  }

  return function submit(input: Input): Promise<Output> {
    return new Promise((resolve, reject) => {
      waiting.push({ input, since: performance.now(), from: askedFrom(), resolve, reject })
      // All inputs of one turn of the event loop go together.
      const isNews = waiting.length === 1 || waiting.length === maxSize
      if (isNews && maySend()) setImmediate(start)
      else if (isNews) watch()
    })
  }
}

/**
 * How many go on together. More of them at once leave so much alive that the garbage collector takes it for lasting: with
 * 8 or more at once the process had 237 to 255 MB after 40,000 reviews, with 4 mostly 147, at the same rate.
 */
const together = 4

interface Turn {
  readonly promise: Promise<void>
  readonly end: () => void
  asked: number
}

/**
 * Resolves when what can be read in this turn of the event loop has been read, or when four wait; whoever asked meanwhile
 * goes on together.
 *
 * Reading (TLS, HTTP, JSON), judging and answering are each more code than fits the processor's nearest caches. One review
 * after the other, each throws the others' code out; step by step for several reviews it stays. At 32 reviews at once that
 * is 0.36 → 0.27 ms of processor time each (docs/performance.md); a review that comes alone waits for nothing.
 */
export function createLoopTurn(): () => Promise<void> {
  let current: Turn | undefined
  const begin = (): Turn => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const turn: Turn = {
      promise,
      asked: 0,
      end() {
        if (current === turn) current = undefined
        resolve()
      },
    }
    // Runs once the poll phase, in which sockets are read, has nothing left; too late for a turn that was full is no harm.
    setImmediate(turn.end)
    return turn
  }
  return () => {
    const turn = (current ??= begin())
    turn.asked += 1
    if (turn.asked === together) turn.end()
    return turn.promise
  }
}

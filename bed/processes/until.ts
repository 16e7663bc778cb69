import { setTimeout } from 'node:timers/promises'

/** Often enough not to slow a test down, seldom enough not to slow down what it waits for. */
const lookEveryMs = 20

/** A test that passes never waits so long. A machine that does much else may be late, and is no fault of what is tested. */
const longestMs = 30_000

/** Resolves with the first value of `look` that is neither undefined nor false; fails with `what` when time is up. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = longestMs,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await setTimeout(lookEveryMs)
  }
}

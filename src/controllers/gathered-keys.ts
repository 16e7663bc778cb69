interface GatheredKeysDeps {
  readonly add: (key: string) => void
  /** How long what may wait is gathered. */
  readonly gatherMs: number
  /** When it aborts, nothing more is added. */
  readonly signal: AbortSignal
}

/**
 * Several events of one key that may wait become one addition. A pod that is made, bound, labelled and deleted changes half
 * a dozen times, and a look at its pool for each of these changes is most of what a session costs the controller.
 */
export function createGatheredKeys({ add, gatherMs, signal }: GatheredKeysDeps) {
  const waiting = new Map<string, NodeJS.Timeout>()
  const clear = (key: string) => {
    clearTimeout(waiting.get(key))
    waiting.delete(key)
  }
  signal.addEventListener('abort', () => [...waiting.keys()].forEach(clear), { once: true })

  return {
    /** At once; what was gathered so far is done with it. */
    now(key: string): void {
      clear(key)
      add(key)
    },
    /** After `gatherMs` at most. */
    soon(key: string): void {
      if (waiting.has(key) || signal.aborted) return
      const timer = setTimeout(() => {
        waiting.delete(key)
        add(key)
      }, gatherMs)
      waiting.set(key, timer)
    },
  }
}

/** Resolves after the time, or rejects with the signal's reason at once. */
export function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

/** The first wait; each further one is twice as long, up to the longest. */
const firstRetryMs = 200
const longestRetryMs = 5_000

/**
 * Time before the next try. The server's wish is the least of it. The random part keeps callers apart that failed in the
 * same moment.
 */
export function retryDelayMs(failures: number, retryAfterMs = 0): number {
  const backOffMs = Math.min(longestRetryMs, firstRetryMs * 2 ** failures)
  return Math.max(retryAfterMs, backOffMs / 2) + (Math.random() * backOffMs) / 2
}

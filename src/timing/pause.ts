/** A pause under way. */
interface Pause {
  /** Resolves when the pause is over; never rejects. */
  readonly over: Promise<void>
  /** Ends it now. */
  readonly end: () => void
}

/** Begins a pause of `ms`. It is over earlier when the signal fires or when somebody ends it. */
export function startPause(ms: number, signal?: AbortSignal): Pause {
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(end, Math.max(0, ms))
  function end(): void {
    clearTimeout(timer)
    signal?.removeEventListener('abort', end)
    resolve()
  }
  signal?.addEventListener('abort', end, { once: true })
  if (signal?.aborted) end()
  return { over, end }
}

/** Resolves after `ms`, or at once when the signal fires; never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return startPause(ms, signal).over
}

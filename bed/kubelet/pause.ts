import { setTimeout } from 'node:timers/promises'

/** Waits; false if the signal came first (or had come already). Never throws. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false
  try {
    await setTimeout(ms, undefined, { signal })
    return true
  } catch {
    // Only the abort rejects this promise.
    return false
  }
}

/** Resolves when the signal comes. */
export function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  else signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}

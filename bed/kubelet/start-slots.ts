import { aborted } from './aborted.ts'

/** Limits how many pods start at once; the others wait their turn. */
export interface StartSlots {
  /** Resolves with the function that frees the slot (further calls do nothing), or with undefined if aborted first. */
  take(signal: AbortSignal): Promise<(() => void) | undefined>
}

export function createStartSlots(size: number): StartSlots {
  let free = size
  const waiting: (() => void)[] = []

  function release(): void {
    const next = waiting.shift()
    if (next) next()
    else free++
  }

  return {
    take: async (signal) => {
      if (signal.aborted) return undefined
      if (free > 0) free--
      else {
        const { promise, resolve } = Promise.withResolvers<void>()
        waiting.push(resolve)
        await Promise.race([promise, aborted(signal)])
        const place = waiting.indexOf(resolve)
        if (place >= 0) {
          waiting.splice(place, 1)
          return undefined
        }
      }
      let held = true
      return () => {
        if (!held) return
        held = false
        release()
      }
    },
  }
}

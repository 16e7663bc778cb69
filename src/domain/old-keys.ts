/**
 * Which old public assign keys are of no use any more. New pods get the whole public set, so as long as an old key is in
 * it they list it, and "no pod lists it" would never come true. What counts is what the key is still needed for:
 * - a pod that lists it and not the newest can be reached with nothing newer;
 * - a process that cannot sign with the newest yet signs with an older one, and new pods must know that.
 */

export interface KeyLook {
  /** Ids of the public set, newest first. */
  readonly keyIds: readonly string[]
  /** What each existing pod lists. */
  readonly podKeyIds: readonly (readonly string[])[]
  /** What each process that signs can sign with. Empty means that nobody said so, not that nobody signs. */
  readonly signerKeyIds: readonly (readonly string[])[]
}

/** Ids of the public set that nothing needs, in its order; never the newest. */
export function unneededKeys({ keyIds, podKeyIds, signerKeyIds }: KeyLook): readonly string[] {
  const [newest, ...old] = keyIds
  if (newest === undefined || signerKeyIds.length === 0) return []
  if (!signerKeyIds.every((ids) => ids.includes(newest))) return []
  const needed = new Set(podKeyIds.filter((ids) => !ids.includes(newest)).flat())
  return old.filter((id) => !needed.has(id))
}

/**
 * How long each key has been unneeded at every look. It starts empty, so a new leader waits anew, and so does a key that
 * was needed in between, or a set with another newest key.
 */
export function createUnneededSpells(waitMs: number) {
  const since = new Map<string, number>()
  let newest: string | undefined
  return {
    /** Those that have been unneeded for long enough. `now` is monotonic, ms. */
    due(look: KeyLook, now: number): readonly string[] {
      if (look.keyIds[0] !== newest) since.clear()
      newest = look.keyIds[0]
      const unneeded = unneededKeys(look)
      for (const id of since.keys()) if (!unneeded.includes(id)) since.delete(id)
      for (const id of unneeded) if (!since.has(id)) since.set(id, now)
      return unneeded.filter((id) => now - (since.get(id) ?? now) >= waitMs)
    },
    /** After a look that could not be made: what happened meanwhile is not known. */
    forget: (): void => since.clear(),
  }
}

interface ExpiringMemoryOptions {
  /** How long an entry is kept after it was set. */
  readonly keptMs: number
  /** Milliseconds of one clock. */
  readonly now: () => number
}

interface Entry<Value> {
  readonly value: Value
  readonly setAt: number
}

/** A map whose entries are forgotten `keptMs` after they were set. It needs no timer: each `set` drops the old ones. */
interface ExpiringMemory<Key, Value> {
  get(key: Key): Value | undefined
  has(key: Key): boolean
  /** A key that is set again is kept for a whole `keptMs` more. */
  set(key: Key, value: Value): void
  delete(key: Key): void
  clear(): void
  /** Entries that are not forgotten yet. */
  size(): number
}

export function createExpiringMemory<Key, Value = true>({
  keptMs,
  now,
}: ExpiringMemoryOptions): ExpiringMemory<Key, Value> {
  /** In order of `setAt`. */
  const entries = new Map<Key, Entry<Value>>()

  function forgetOld(at: number): void {
    for (const [key, { setAt }] of entries) {
      if (at - setAt < keptMs) return
      entries.delete(key)
    }
  }

  function get(key: Key): Value | undefined {
    const entry = entries.get(key)
    return entry && now() - entry.setAt < keptMs ? entry.value : undefined
  }

  return {
    get,
    has: (key) => get(key) !== undefined,
    set(key, value) {
      const setAt = now()
      forgetOld(setAt)
      // Deleted first: a map keeps the place of a key that it knows, and the entries must stay in order.
      entries.delete(key)
      entries.set(key, { value, setAt })
    },
    delete: (key) => void entries.delete(key),
    clear: () => entries.clear(),
    size() {
      if (entries.size > 0) forgetOld(now())
      return entries.size
    },
  }
}

/** Deeper than honest metadata is, and shallow enough for every later JSON.stringify. */
const deepest = 32

/**
 * Why PostgreSQL could not store this JSON value: a NUL, half a surrogate pair, or endless nesting, all of which JSON
 * allows. Undefined if it can. There is no recursion, because the caller chose the depth.
 */
export function unstorableReason(value: unknown): string | undefined {
  const open: { value: unknown; depth: number }[] = [{ value, depth: 0 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value: current, depth } = next
    if (typeof current === 'string') {
      if (current.includes('\0')) return 'contains a NUL character'
      if (!current.isWellFormed()) return 'contains half of a surrogate pair'
    } else if (typeof current === 'object' && current !== null) {
      if (depth >= deepest) return `is nested deeper than ${deepest} levels`
      for (const [key, nested] of Object.entries(current)) {
        open.push({ value: key, depth }, { value: nested, depth: depth + 1 })
      }
    }
  }
  return undefined
}

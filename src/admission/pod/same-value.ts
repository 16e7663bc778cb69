/** Deep equality of JSON values; the order of keys does not count, and an absent key equals `undefined`. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  // Apart from objects: one loop over the keys of both takes five times as long for objects too.
  if (Array.isArray(a)) return Array.isArray(b) && sameElements(a, b)
  return !Array.isArray(b) && sameMembers(a as Members, b as Members)
}

type Members = Readonly<Record<string, unknown>>

function sameElements(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index += 1) if (!sameValue(a[index], b[index])) return false
  return true
}

function sameMembers(a: Members, b: Members): boolean {
  for (const key in a) if (!sameValue(a[key], b[key])) return false
  for (const key in b) if (a[key] === undefined && b[key] !== undefined) return false
  return true
}

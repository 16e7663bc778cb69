import type { JsonObject } from './json-object.ts'

/**
 * Deep equality of JSON values; the order of keys does not count, and an absent key equals `undefined`. Only own keys
 * count: a key that the other side has from its prototype, such as `constructor`, is absent there.
 */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  // A loop of their own for lists: with `for … in` over both kinds the comparisons of a review took 12 µs instead of 2.
  if (Array.isArray(a)) return Array.isArray(b) && sameElements(a, b)
  return !Array.isArray(b) && sameMembers(a as JsonObject, b as JsonObject)
}

function sameElements(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index += 1) if (!sameValue(a[index], b[index])) return false
  return true
}

function sameMembers(a: JsonObject, b: JsonObject): boolean {
  for (const key in a) if (!sameValue(own(a, key), own(b, key))) return false
  for (const key in b) if (own(a, key) === undefined && own(b, key) !== undefined) return false
  return true
}

function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

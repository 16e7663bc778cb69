/**
 * The same text for the same JSON value, in whatever order its keys were written. Members with the value `undefined`
 * are left out; the order of arrays has meaning and stays.
 *
 * The bytes must never change: fingerprints of requests (`sessions.fingerprint`) and the template hashes of running pods
 * were made from them. So keys that look like array indices ("9", "10") come first, in the order of their numbers, as
 * JavaScript keeps them; all others follow in the order of their UTF-16 code units.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, nested: unknown) => {
    if (typeof nested !== 'object' || nested === null || Array.isArray(nested)) return nested
    return Object.fromEntries(Object.entries(nested).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
  })
}

const decimal = /^\d+$/

/** Versions are decimal numbers without bound (comparable by KEP-5504); anything else counts as newer. */
export function isNewer(candidate: string, than: string): boolean {
  if (!decimal.test(candidate) || !decimal.test(than)) return true
  return candidate.length === than.length ? candidate > than : candidate.length > than.length
}

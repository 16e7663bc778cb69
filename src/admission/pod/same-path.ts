/** `/tmp/` and `/tmp` are the same place. */
export function samePath(a: string, b: string): boolean {
  return a === b || withoutEndingSlashes(a) === withoutEndingSlashes(b)
}

/** True if the path is the place or below it. A path with `..` is below nothing, for it may lead anywhere. */
export function isBelow(path: string, place: string): boolean {
  if (path.split('/').includes('..')) return false
  const [inner, outer] = [path, place].map((one) => `${one.split('/').filter(Boolean).join('/')}/`)
  return inner !== undefined && outer !== undefined && inner.startsWith(outer)
}

/** By hand: a pattern that ends in `/+$` takes quadratic time on a hostile path of a million slashes. */
function withoutEndingSlashes(path: string): string {
  let end = path.length
  while (end > 0 && path[end - 1] === '/') end -= 1
  return path.slice(0, end)
}

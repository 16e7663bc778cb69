/** `/tmp/` and `/tmp` are the same place. */
export function samePath(a: string, b: string): boolean {
  return a === b || withoutEndingSlashes(a) === withoutEndingSlashes(b)
}

/** By hand: a pattern that ends in `/+$` takes quadratic time on a hostile path of a million slashes. */
function withoutEndingSlashes(path: string): string {
  let end = path.length
  while (end > 0 && path[end - 1] === '/') end -= 1
  return path.slice(0, end)
}

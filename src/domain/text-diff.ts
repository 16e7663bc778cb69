/** Lines around a change that are shown with it, as `diff -u` does. */
const contextLines = 3
/** Beyond so many pairs of lines the middle is shown as replaced: nobody reads such a difference line by line. */
const mostPairs = 250_000

/** How a text became another one, as one hunk of a unified diff; '' if they are the same. */
export function textDiff(before: string, after: string): string {
  if (before === after) return ''
  const old = before.split('\n')
  const fresh = after.split('\n')
  let head = 0
  while (head < old.length && head < fresh.length && old[head] === fresh[head]) head += 1
  let tail = 0
  while (
    tail < old.length - head &&
    tail < fresh.length - head &&
    old[old.length - 1 - tail] === fresh[fresh.length - 1 - tail]
  )
    tail += 1
  const from = Math.max(0, head - contextLines)
  const shownTail = Math.min(tail, contextLines)
  const lines = [
    ...old.slice(from, head).map(kept),
    ...changedLines(old.slice(head, old.length - tail), fresh.slice(head, fresh.length - tail)),
    ...old.slice(old.length - tail, old.length - tail + shownTail).map(kept),
  ]
  const removed = old.length - tail + shownTail - from
  const added = fresh.length - tail + shownTail - from
  return `@@ -${from + 1},${removed} +${from + 1},${added} @@\n${lines.join('\n')}\n`
}

const kept = (line: string): string => ` ${line}`

/** By the longest common subsequence, so that a line between two changes is shown as it is. */
function changedLines(old: readonly string[], fresh: readonly string[]): string[] {
  const replaced = [...old.map((line) => `-${line}`), ...fresh.map((line) => `+${line}`)]
  if (old.length * fresh.length > mostPairs) return replaced
  const width = fresh.length + 1
  const longest = new Uint32Array((old.length + 1) * width)
  const at = (i: number, j: number): number => longest[i * width + j] ?? 0
  for (let i = old.length - 1; i >= 0; i -= 1)
    for (let j = fresh.length - 1; j >= 0; j -= 1)
      longest[i * width + j] =
        old[i] === fresh[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  const lines: string[] = []
  for (let i = 0, j = 0; i < old.length || j < fresh.length; ) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) {
      lines.push(kept(old[i] ?? ''))
      i += 1
      j += 1
    } else if (j === fresh.length || (i < old.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push(`-${old[i]}`)
      i += 1
    } else {
      lines.push(`+${fresh[j]}`)
      j += 1
    }
  }
  return lines
}

/** Beyond so many pairs of lines the middle counts as replaced: nobody reads such a difference line by line. */
const mostPairs = 250_000

export interface LineChange {
  readonly sign: ' ' | '-' | '+'
  readonly text: string
}

/** How a text became another one, line by line. Lines that begin and end alike stay; of the rest, the longest common sequence. */
export function lineChanges(before: string, after: string): LineChange[] {
  const old = before.split('\n')
  const fresh = after.split('\n')
  let head = 0
  while (head < old.length && head < fresh.length && old[head] === fresh[head]) head += 1
  let tail = 0
  const most = Math.min(old.length, fresh.length) - head
  while (tail < most && old.at(-1 - tail) === fresh.at(-1 - tail)) tail += 1
  return [
    ...signed(' ', old.slice(0, head)),
    ...middle(old.slice(head, old.length - tail), fresh.slice(head, fresh.length - tail)),
    ...signed(' ', old.slice(old.length - tail)),
  ]
}

function signed(sign: LineChange['sign'], lines: readonly string[]): LineChange[] {
  return lines.map((text) => ({ sign, text }))
}

function middle(old: readonly string[], fresh: readonly string[]): LineChange[] {
  if (old.length * fresh.length > mostPairs) return [...signed('-', old), ...signed('+', fresh)]
  const width = fresh.length + 1
  const longest = new Uint32Array((old.length + 1) * width)
  const at = (i: number, j: number): number => longest[i * width + j] ?? 0
  for (let i = old.length - 1; i >= 0; i -= 1)
    for (let j = fresh.length - 1; j >= 0; j -= 1)
      longest[i * width + j] =
        old[i] === fresh[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  const lines: LineChange[] = []
  for (let i = 0, j = 0; i < old.length || j < fresh.length; ) {
    const [left, right] = [old[i], fresh[j]]
    if (left !== undefined && left === right) {
      lines.push({ sign: ' ', text: left })
      i += 1
      j += 1
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ sign: '-', text: left })
      i += 1
    } else {
      lines.push({ sign: '+', text: right ?? '' })
      j += 1
    }
  }
  return lines
}

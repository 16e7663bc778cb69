/** Unchanged lines that are shown around a change. */
const around = 2

interface Line {
  readonly sign: ' ' | '-' | '+'
  readonly text: string
}

/** What changed between two texts, line by line, as `diff -u` shows it but without line numbers. Empty when nothing did. */
export function lineDiff(before: string, after: string): string {
  const lines = compare(before.split('\n'), after.split('\n'))
  const isNear = (index: number) =>
    lines.slice(Math.max(0, index - around), index + around + 1).some(({ sign }) => sign !== ' ')
  const shown: string[] = []
  let isOmitting = true
  for (const [index, { sign, text }] of lines.entries()) {
    if (!isNear(index)) isOmitting = true
    else {
      if (isOmitting && shown.length > 0) shown.push('  …')
      isOmitting = false
      shown.push(`${sign} ${text}`)
    }
  }
  return shown.join('\n')
}

/** Lines that begin and end alike stay; of the rest, the longest common sequence. */
function compare(a: readonly string[], b: readonly string[]): Line[] {
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1
  const kept = (lines: readonly string[]): Line[] => lines.map((text) => ({ sign: ' ', text }))
  return [
    ...kept(a.slice(0, head)),
    ...changed(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...kept(a.slice(a.length - tail)),
  ]
}

function changed(a: readonly string[], b: readonly string[]): Line[] {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1))
  const at = (row: number, column: number) => lengths[row]?.[column] ?? 0
  for (let row = a.length - 1; row >= 0; row -= 1)
    for (let column = b.length - 1; column >= 0; column -= 1) {
      const longest =
        a[row] === b[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1))
      lengths[row]?.fill(longest, column, column + 1)
    }
  const lines: Line[] = []
  for (let row = 0, column = 0; row < a.length || column < b.length; ) {
    const [left, right] = [a[row], b[column]]
    if (left !== undefined && left === right) {
      lines.push({ sign: ' ', text: left })
      row += 1
      column += 1
    } else if (left !== undefined && (right === undefined || at(row + 1, column) >= at(row, column + 1))) {
      lines.push({ sign: '-', text: left })
      row += 1
    } else {
      lines.push({ sign: '+', text: right ?? '' })
      column += 1
    }
  }
  return lines
}

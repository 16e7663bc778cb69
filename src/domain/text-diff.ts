import { lineChanges } from './line-changes.ts'

/** Lines around a change that are shown with it, as `diff -u` does. */
const contextLines = 3

/** How a text became another one, as one hunk of a unified diff; '' if they are the same. */
export function textDiff(before: string, after: string): string {
  const lines = lineChanges(before, after)
  const first = lines.findIndex(({ sign }) => sign !== ' ')
  if (first < 0) return ''
  const last = lines.findLastIndex(({ sign }) => sign !== ' ')
  const from = Math.max(0, first - contextLines)
  const shown = lines.slice(from, last + 1 + contextLines)
  const count = (not: '-' | '+'): number => shown.filter(({ sign }) => sign !== not).length
  const text = shown.map((line) => `${line.sign}${line.text}\n`).join('')
  // Nothing changed before the hunk, so it begins in the same line of both.
  return `@@ -${from + 1},${count('+')} +${from + 1},${count('-')} @@\n${text}`
}

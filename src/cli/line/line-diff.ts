import { lineChanges } from '../../domain/line-changes.ts'

/** Unchanged lines that are shown around a change. */
const around = 2

/** What changed between two texts, line by line, as `diff -u` shows it but without line numbers. Empty when nothing did. */
export function lineDiff(before: string, after: string): string {
  const lines = lineChanges(before, after)
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

/** More letters than that are another word. */
const mostEdits = 2

/** Of the words, the one that was probably meant. */
export function nearestWord(word: string, words: readonly string[]): string | undefined {
  // A word as long as a file is no slip of the fingers.
  if (word.length > 40) return undefined
  const ranked = words
    .map((candidate) => ({ candidate, edits: editsBetween(word.toLowerCase(), candidate) }))
    .filter(({ candidate, edits }) => edits <= Math.min(mostEdits, candidate.length - 1))
    .toSorted((a, b) => a.edits - b.edits)
  return ranked[0]?.candidate
}

/** Letters to add, take away or change. */
function editsBetween(a: string, b: string): number {
  let before = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [row, letter] of a.split('').entries()) {
    const now = [row + 1]
    for (const [column, other] of b.split('').entries()) {
      const changed = (before[column] ?? 0) + (letter === other ? 0 : 1)
      now.push(Math.min(changed, (before[column + 1] ?? 0) + 1, (now[column] ?? 0) + 1))
    }
    before = now
  }
  return before.at(-1) ?? 0
}

import { setText } from './build-element.ts'
import type { Known } from './reading.ts'
import { momentText } from './time-text.ts'

/** Below a panel: what it does not know, and since when. Nothing while it knows all. */
export function showNote(panel: string, known: Known<unknown>): void {
  const note = document.querySelector<HTMLElement>(`[data-note="${panel}"]`)
  if (note) showNoteIn(note, known)
}

export function showNoteIn(note: HTMLElement, known: Known<unknown>): void {
  const text = noteText(known)
  note.hidden = text === ''
  note.dataset.kind = known.trouble?.kind ?? 'reading'
  setText(note, text)
}

function noteText({ value, readAt, trouble }: Known<unknown>): string {
  if (!trouble) return value === undefined ? 'Reading …' : ''
  if (trouble.kind === 'forbidden') return `Not shown to this credential. ${trouble.sentence}`
  const since = `Not known since ${momentText(trouble.since)}.`
  const shown = readAt === undefined ? '' : ` Shown as it was at ${momentText(readAt)}.`
  return `${since}${shown} ${trouble.sentence}`
}

import { build } from './build-element.ts'
import type { Detail } from './detail-drawer.ts'
import { showNoteIn } from './panel-note.ts'
import { createReading, type Reading } from './reading.ts'

interface PartOptions<T> {
  readonly heading?: string
  readonly body: readonly Node[]
  readonly ask: (signal: AbortSignal) => Promise<T>
  readonly show: (value: T) => void
  readonly everyMs: number
}

/** A part of the drawer that reads one thing, and says below it what it does not know. */
interface DetailPart {
  readonly node: HTMLElement
  readonly reading: Reading
}

export function createDetailPart<T>({ heading, body, ask, show, everyMs }: PartOptions<T>): DetailPart {
  const note = build('p', { class: 'note', role: 'status' })
  const title = heading === undefined ? undefined : build('h3', {}, heading)
  return {
    node: build('section', {}, title, ...body, note),
    reading: createReading<T>({
      ask,
      show(known) {
        showNoteIn(note, known)
        if (known.value !== undefined) show(known.value)
      },
      everyMs,
    }),
  }
}

/** Parts below each other as what the drawer shows. */
export function createDetail(title: string, parts: readonly DetailPart[]): Detail {
  return {
    title,
    body: build('div', { class: 'detail' }, ...parts.map(({ node }) => node)),
    start() {
      for (const { reading } of parts) reading.start()
    },
    refresh() {
      for (const { reading } of parts) reading.refresh()
    },
    stop() {
      for (const { reading } of parts) reading.stop()
    },
  }
}

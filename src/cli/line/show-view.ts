import { GreenroomApiError } from '../../client/client-error.ts'
import { pause } from '../../timing/pause.ts'
import { refusalText } from './exit-code.ts'
import { type Form, formOf, printView, type View } from './print-view.ts'
import type { FormValues } from './shared-options.ts'
import { viewTable } from './view-table.ts'

interface WatchValues extends FormValues {
  readonly watch?: boolean | undefined
}

/** Soon enough for a person, and little work for a server. */
const everyMs = 1_000

/** Prints a view; with --watch, also what changes in it, until the program is ended. */
export async function showView<T>(options: WatchValues, read: () => Promise<View<T>>): Promise<void> {
  const form = formOf(options)
  let view = await read()
  printView(view, form)
  if (options.watch !== true) return
  for (let wasAway = false; ; ) {
    await pause(everyMs)
    const next = await read().catch((error: unknown) => {
      // The server is restarted, or the network breaks: what is watched comes back.
      if (!(error instanceof GreenroomApiError) || !error.retryable) throw error
      if (!wasAway) process.stderr.write(refusalText(error))
      return undefined
    })
    wasAway = next === undefined
    if (next === undefined) continue
    printChanges(view, next, form)
    view = next
  }
}

/** Of a table the rows that changed; of any other form everything, when something changed. */
function printChanges<T>(before: View<T>, now: View<T>, form: Form): void {
  if (form.kind !== 'table' && form.kind !== 'wide') {
    if (JSON.stringify(before.document) === JSON.stringify(now.document)) return
    if (form.kind === 'yaml') process.stdout.write('---\n')
    printView(now, form)
    return
  }
  const known = new Map(before.rows.map((row) => [before.nameOf(row), cellsOf(before, row)]))
  const changed = now.rows.filter((row) => known.get(now.nameOf(row)) !== cellsOf(now, row))
  const left = new Set(now.rows.map(now.nameOf))
  const gone = before.rows.map(before.nameOf).filter((name) => !left.has(name))
  if (changed.length > 0)
    process.stdout.write(
      `${viewTable({ rows: changed, columns: now.columns }, { wide: form.kind === 'wide', heading: false })}\n`,
    )
  for (const name of gone) process.stdout.write(`${name} is no longer listed\n`)
}

/** An age grows by itself, which is no change. */
function cellsOf<T>({ columns }: View<T>, row: T): string {
  return JSON.stringify(columns.filter(({ moves }) => moves !== true).map(({ of }) => of(row)))
}

import { styleText } from 'node:util'
import { textTable } from '../text-table.ts'

export type Tone = 'good' | 'doubtful' | 'bad' | 'quiet'

export interface Column<T> {
  readonly title: string
  readonly of: (row: T) => string
  /** Shown with -o wide only. */
  readonly wide?: boolean
  /** It changes by itself, such as an age. */
  readonly moves?: boolean
  /** Its colour on a terminal. */
  readonly tone?: (row: T) => Tone | undefined
}

const colours = { good: 'green', doubtful: 'yellow', bad: 'red', quiet: 'gray' } as const

/** Colours only a terminal that wants them: not a pipe, and not with NO_COLOR. */
export function toned(text: string, tone: Tone | undefined): string {
  return tone === undefined ? text : styleText(colours[tone], text, { stream: process.stdout })
}

/**
 * The rows as a table. On a terminal that is too narrow for it each row becomes a block of lines, so that nothing is broken
 * in the middle; a pipe always gets the table.
 */
export function viewTable<T>(
  { rows, columns }: { readonly rows: readonly T[]; readonly columns: readonly Column<T>[] },
  {
    wide,
    heading = true,
    width = process.stdout.columns,
  }: { wide: boolean; heading?: boolean; width?: number },
): string {
  const shown = columns.filter((column) => wide || column.wide !== true)
  const titles = shown.map(({ title }) => title)
  const cells = rows.map((row) => shown.map((column) => oneLine(column.of(row))))
  const table = textTable([titles, ...cells])
  const lines = table.split('\n')
  // A terminal that does not know its size says 0.
  if (width && lines.some((line) => line.length > width)) return blocks(rows, shown, cells)
  const coloured = lines.map((line, index) =>
    index === 0 ? line : tonedLine(line, rows[index - 1] as T, shown),
  )
  return (heading ? coloured : coloured.slice(1)).join('\n')
}

/** Cells come from servers and people: what a terminal would obey is left out. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ')
}

function tonedLine<T>(line: string, row: T, columns: readonly Column<T>[]): string {
  return columns.reduce((text, { of, tone }) => {
    const cell = oneLine(of(row))
    const colour = tone?.(row)
    return colour === undefined || cell === '' ? text : text.replace(cell, () => toned(cell, colour))
  }, line)
}

function blocks<T>(rows: readonly T[], columns: readonly Column<T>[], cells: readonly string[][]): string {
  const longest = Math.max(...columns.map(({ title }) => title.length))
  return rows
    .map((row, index) =>
      columns
        .map(({ title, tone }, column) =>
          `${title.padEnd(longest)}  ${toned(cells[index]?.[column] ?? '', tone?.(row))}`.trimEnd(),
        )
        .join('\n'),
    )
    .join('\n\n')
}

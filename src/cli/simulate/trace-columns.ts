import { readTraceTime } from './trace-time.ts'

export interface TraceColumns {
  readonly hasHeader: boolean
  readonly time: number
  readonly count: number | undefined
  /** Taken off the time, which is then the end of a call. */
  readonly duration: number | undefined
  /** How the columns are read, for the reader. */
  readonly meaning: string
}

const timeNames = ['timestamp', 'time', 'created_at', 'createdat', 'start', 'date', 'datetime', 'at']
const endNames = ['end_timestamp', 'end_time', 'end']
const countNames = ['count', 'value', 'claims', 'requests', 'sessions', 'n']

/** Which column is what, by the names in the first row, or by their place if the first row has a time already. */
export function readTraceColumns(cells: readonly string[]): TraceColumns {
  if (isTime(cells[0] ?? '')) {
    const count = cells.length === 2 ? 1 : undefined
    const meaning = `No header: column 1 is the time${count === undefined ? '; each row is a claim.' : ' and column 2 a count.'}`
    return { hasHeader: false, time: 0, count, duration: undefined, meaning }
  }
  const names = cells.map((name) => name.toLowerCase())
  const find = (wanted: readonly string[]): number | undefined => {
    const index = names.findIndex((name) => wanted.includes(name))
    return index === -1 ? undefined : index
  }
  const duration = find(['duration'])
  const end = duration === undefined ? undefined : find(endNames)
  const time = find(timeNames) ?? end
  if (time === undefined) throw new TypeError(`no column of times among "${cells.join(', ')}"; name it time`)
  const count = find(countNames)
  const words = count === undefined ? '; each row is a claim' : `, "${cells[count] ?? ''}" a count`
  const less = time === end ? ' less the duration' : ''
  const meaning = `Column "${cells[time] ?? ''}"${less} is the time${words}.`
  return { hasHeader: true, time, count, duration: time === end ? duration : undefined, meaning }
}

function isTime(cell: string): boolean {
  try {
    readTraceTime(cell)
    return true
  } catch {
    return false
  }
}

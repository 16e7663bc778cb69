import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { parse } from 'csv-parse'
import { GreenroomError } from '../../errors.ts'
import type { SeededDraws } from './seeded-draws.ts'
import { readTraceColumns, type TraceColumns } from './trace-columns.ts'
import { readTraceTime } from './trace-time.ts'

export interface Trace {
  /** Seconds after `epochMs`, ascending. */
  readonly claimTimes: Float64Array
  readonly epochMs: number
  /** What was assumed about the file, a sentence each. */
  readonly assumptions: readonly string[]
}

export interface TraceOptions {
  readonly draws: SeededDraws
  /** Time is stretched by this factor: 2 makes half the rate and keeps the bursts. */
  readonly stretch: number
  /** Epoch milliseconds. */
  readonly now: number
  readonly onProgress?: (share: number) => void
}

/** A gap is told when it is as long as this and twenty times the mean distance: perhaps nobody counted. */
const toldGapSeconds = 3_600

interface Row {
  readonly time: number
  readonly count: number
}

/**
 * Claims of a CSV file: a row a claim, or a row a time span with a count, whose claims are spread evenly at random.
 * @throws GreenroomError GRN_INVALID_TRACE that names the file and the row
 */
export async function readTrace(file: string, options: TraceOptions): Promise<Trace> {
  const assumptions: string[] = []
  const { rows, isCounts } = await readRows(file, options, assumptions)
  if (rows.length === 0) throw invalid(file, 'has no rows')
  if (!isAscending(rows)) {
    rows.sort((a, b) => a.time - b.time)
    assumptions.push('The rows were not in the order of time; they were sorted.')
  }
  const first = rows[0] as Row
  const future = rows.filter(({ time }) => time * 1_000 > options.now).length
  if (future > 0) assumptions.push(`${future} rows lie in the future; they were taken as they are.`)
  // Times without a date, such as seconds from the begin of a record, are no time of day either: they begin at midnight.
  const epochMs = first.time > 1e8 ? first.time * 1_000 : 0
  const relative = isCounts
    ? spread(file, rows, options.draws, assumptions)
    : Float64Array.from(rows, ({ time }) => time - first.time)
  if (relative.length === 0) throw invalid(file, 'counts no claim')
  if (options.stretch !== 1)
    for (let index = 0; index < relative.length; index += 1)
      relative[index] = (relative[index] as number) * options.stretch
  tellGap(relative, assumptions)
  return { claimTimes: relative, epochMs, assumptions }
}

async function readRows(
  file: string,
  { onProgress }: TraceOptions,
  assumptions: string[],
): Promise<{ rows: Row[]; isCounts: boolean }> {
  const { size } = await stat(file).catch((error: Error) => {
    throw invalid(file, `cannot be read: ${error.message}`)
  })
  const source = createReadStream(file)
  const lines = parse({ bom: true, trim: true, skip_empty_lines: true, relax_column_count: true })
  source.once('error', (error) => lines.destroy(error))
  source.pipe(lines)
  const rows: Row[] = []
  let columns: TraceColumns | undefined
  let line = 0
  try {
    for await (const cells of lines as AsyncIterable<string[]>) {
      line += 1
      if (!columns) {
        columns = readTraceColumns(cells)
        assumptions.push(columns.meaning)
        if (columns.hasHeader) continue
      }
      rows.push(rowOf(cells, columns))
      if (line % 50_000 === 0) onProgress?.(source.bytesRead / Math.max(1, size))
    }
  } catch (error) {
    source.destroy()
    throw invalid(file, `row ${Math.max(1, line)}: ${error instanceof Error ? error.message : String(error)}`)
  }
  return { rows, isCounts: columns?.count !== undefined }
}

function rowOf(cells: readonly string[], columns: TraceColumns): Row {
  const seconds = readTraceTime(cells[columns.time] ?? '')
  const duration = columns.duration === undefined ? 0 : numberIn(cells[columns.duration], 'the duration')
  const count = columns.count === undefined ? 1 : numberIn(cells[columns.count], 'the count')
  return { time: seconds - duration, count }
}

/** One row may count so many claims; more is no count. */
const mostOfRow = 10_000_000

function numberIn(cell: string | undefined, what: string): number {
  const value = cell === undefined || cell === '' ? Number.NaN : Number(cell)
  if (!(value >= 0 && value <= mostOfRow))
    throw new TypeError(`${what} is "${cell ?? ''}", not a number from 0`)
  return value
}

function isAscending(rows: readonly Row[]): boolean {
  for (let index = 1; index < rows.length; index += 1)
    if ((rows[index] as Row).time < (rows[index - 1] as Row).time) return false
  return true
}

/** Claims of a counted span come at random within it; its burstiness is lost. */
function spread(file: string, rows: readonly Row[], draws: SeededDraws, assumptions: string[]): Float64Array {
  const width = usualDistance(rows)
  if (width === undefined) throw invalid(file, 'needs two rows at least, to know how long a count lasts')
  assumptions.push(`Each count is of ${width} s; its claims were spread over them at random.`)
  const first = (rows[0] as Row).time
  const times: number[] = []
  for (const { time, count } of rows)
    for (let claim = 0; claim < Math.round(count); claim += 1)
      times.push(time - first + draws.uniform() * width)
  return Float64Array.from(times).sort()
}

/** The median, so that gaps and doubled rows change nothing. */
function usualDistance(rows: readonly Row[]): number | undefined {
  const distances = rows
    .slice(1)
    .map(({ time }, index) => time - (rows[index] as Row).time)
    .filter((seconds) => seconds > 0)
    .sort((a, b) => a - b)
  return distances[Math.floor(distances.length / 2)]
}

function tellGap(times: Float64Array, assumptions: string[]): void {
  let longest = 0
  let at = 0
  for (let index = 1; index < times.length; index += 1) {
    const gap = (times[index] as number) - (times[index - 1] as number)
    if (gap > longest) [longest, at] = [gap, times[index - 1] as number]
  }
  const mean = (times.at(-1) ?? 0) / times.length
  if (longest >= Math.max(toldGapSeconds, 20 * mean))
    assumptions.push(
      `The longest time without a claim is ${(longest / 3_600).toFixed(1)} h, ${(at / 86_400).toFixed(1)} days after the first; it counts as quiet.`,
    )
}

function invalid(file: string, problem: string): GreenroomError {
  return new GreenroomError('GRN_INVALID_TRACE', `${file}: ${problem}.`)
}

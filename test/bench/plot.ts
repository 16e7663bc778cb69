import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type Plot, type PlotAxis, type PlotSeries, svgPlot } from './svg-plot.ts'

/**
 * `node test/bench/plot.ts PLOTS.json` writes the plots that the file describes beside it, as SVG. Each entry has `file`,
 * `title`, the axes `x` and `y` (`label`, `log`), and `series`. A series has its `points`, or takes them from a report of a
 * bench: `{"name", "report": "scale.json", "x": "steps.*.pods", "y": "steps.*.atRest.now.memoryMb.api-1"}`. A `*` stands for
 * every element of a list; the n-th x belongs to the n-th y. Reports are found from the folder in which the command runs.
 */
interface PlotEntry {
  readonly file: string
  readonly title: string
  readonly x: PlotAxis
  readonly y: PlotAxis
  readonly series: readonly (PlotSeries | ReportedSeries)[]
}

interface ReportedSeries {
  readonly name: string
  readonly report: string
  readonly x: string
  readonly y: string
}

export async function plotsIn(text: string, readReport: (path: string) => Promise<string>) {
  const entries = JSON.parse(text) as readonly PlotEntry[]
  return Promise.all(
    entries.map(async ({ file, title, x, y, series }) => {
      const plot: Plot = {
        title,
        x,
        y,
        series: await Promise.all(series.map((one) => resolved(one, readReport))),
      }
      return { file, svg: svgPlot(plot) }
    }),
  )
}

async function resolved(
  series: PlotSeries | ReportedSeries,
  readReport: (path: string) => Promise<string>,
): Promise<PlotSeries> {
  if ('points' in series) return series
  const { name, report, x, y } = series
  const found: unknown = JSON.parse(await readReport(report))
  const [xs, ys] = [valuesAt(found, x.split('.')), valuesAt(found, y.split('.'))]
  if (xs.length !== ys.length) throw new Error(`${report}: ${xs.length} values at ${x}, ${ys.length} at ${y}`)
  return { name, points: xs.map((value, n) => [value, ys[n] ?? 0]) }
}

/** The numbers at a path. Throws where the path leads nowhere. */
export function valuesAt(value: unknown, path: readonly string[]): readonly number[] {
  const [key, ...rest] = path
  if (key === undefined) {
    if (typeof value !== 'number') throw new Error(`not a number: ${JSON.stringify(value)}`)
    return [value]
  }
  if (key === '*') {
    if (!Array.isArray(value)) throw new Error(`not a list, before ${rest.join('.')}`)
    return value.flatMap((one: unknown) => valuesAt(one, rest))
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key))
    throw new Error(`there is no ${path.join('.')}`)
  return valuesAt((value as Readonly<Record<string, unknown>>)[key], rest)
}

if (import.meta.main) {
  const path = resolve(process.argv[2] ?? 'docs/images/performance/plots.json')
  const plots = await plotsIn(await readFile(path, 'utf8'), (report) => readFile(report, 'utf8'))
  await mkdir(dirname(path), { recursive: true })
  for (const { file, svg } of plots) await writeFile(join(dirname(path), file), svg)
}

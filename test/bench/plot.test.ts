import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { plotsIn, valuesAt } from './plot.ts'
import { svgPlot } from './svg-plot.ts'

const axes = { x: { label: 'pods', log: true }, y: { label: 'ms' } }

void t.test('a plot has its axes, its legend and a mark for each point', (t) => {
  const svg = svgPlot({
    title: 'Times & pods',
    ...axes,
    series: [
      {
        name: 'before',
        points: [
          [100, 4],
          [1_000, 5],
          [10_000, 48],
        ],
      },
      {
        name: 'now',
        points: [
          [100, 4],
          [10_000, 5],
        ],
      },
    ],
  })
  for (const text of ['Times &amp; pods', '>pods<', '>ms<', '>before<', '>now<', '>100<', '>10,000<', '>50<'])
    t.ok(svg.includes(text), text)
  t.match(svg, /prefers-color-scheme: dark/)
  t.equal(svg.match(/<g transform/g)?.length, 2 + 5, 'two of the legend, five points')
  t.notMatch(svg, /NaN|Infinity|undefined/)
  t.end()
})

void t.test('points that an axis cannot show are left out, and a plot without points is refused', (t) => {
  const svg = svgPlot({
    title: 'a',
    ...axes,
    series: [
      {
        name: 's',
        points: [
          [0, 1],
          [10, 1],
        ],
      },
    ],
  })
  t.notMatch(svg, /NaN|Infinity/)
  t.throws(() => svgPlot({ title: 'a', ...axes, series: [{ name: 's', points: [[0, 1]] }] }), /no points/)
  t.end()
})

void t.test('a series takes its points from a report', async (t) => {
  const report = {
    steps: [
      { pods: 100, mb: { api: 180 } },
      { pods: 1_000, mb: { api: 190 } },
    ],
  }
  t.same(valuesAt(report, ['steps', '*', 'mb', 'api']), [180, 190])
  t.throws(() => valuesAt(report, ['steps', '*', 'kb']), /there is no kb/)
  t.throws(() => valuesAt(report, ['steps', '*', 'mb']), /not a number/)
  const series = [{ name: 'api', report: 'r.json', x: 'steps.*.pods', y: 'steps.*.mb.api' }]
  const text = JSON.stringify([{ file: 'memory.svg', title: 'Memory', ...axes, series }])
  const [plot] = await plotsIn(text, async () => JSON.stringify(report))
  t.equal(plot?.file, 'memory.svg')
  t.match(plot?.svg, '100: 180')
})

void t.test('the plots of the documentation are those of their points', async (t) => {
  const folder = join(root, 'docs/images/performance')
  const plots = await plotsIn(await readFile(join(folder, 'plots.json'), 'utf8'), async (path) => {
    throw new Error(`${path}: points of the documentation stand in plots.json`)
  })
  for (const { file, svg } of plots) t.equal(await readFile(join(folder, file), 'utf8'), svg, file)
  const files = (await readdir(folder)).filter((name) => name.endsWith('.svg'))
  t.same(files.sort(), plots.map(({ file }) => file).sort())
})

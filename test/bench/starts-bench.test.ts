import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'

t.setTimeout(300_000)

const run = promisify(execFile)
const program = join(root, 'test/bench/bench.ts')

void t.test('starts, small: agents as processes and a filled pool, this checkout and another', async (t) => {
  await using folder = await temporaryFolder('bench-test')
  const path = join(folder.path, 'report.json')
  const counts = ['--rounds', '1', '--pods', '3', '--fills', '1']
  const args = [program, 'starts', ...counts, '--against', root, '--report', path]
  await run('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, ...args])
  const report = JSON.parse(await readFile(path, 'utf8'))
  const agents = ['', ', by main.ts', ', agent-exec'].flatMap((how) => [`agent${how}`, `agent, before${how}`])
  t.same(Object.keys(report.medians).toSorted(), ['bare HTTP server', ...agents].toSorted())
  for (const each of Object.values(report.medians))
    t.match(each, {
      readyMs: Number,
      cpuReadyMs: Number,
      cpuIdleMs: Number,
      residentMb: Number,
      ownMb: Number,
    })
  const rows = report.rows as readonly { case: string; count: number }[]
  const countOf = (name: string) => rows.find((row) => row.case === name)?.count
  t.equal(countOf('bare HTTP server: ready'), 1)
  for (const name of agents) {
    t.equal(countOf(`${name}: ready`), 3, 'one for each time of an assignment')
    for (const afterMs of [0, 20, 400]) t.equal(countOf(`${name}: assignment ${afterMs} ms after`), 1)
  }
  for (const name of ['agent', 'agent, before'])
    t.match(report.fills[name], [
      { perSecond: Number, cpuMsPerPod: { agents: Number, kubelet: Number, 'kube-apiserver': Number } },
    ])
})

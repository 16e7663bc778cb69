import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { memoryTable, ratiosOfHeld } from './memory-bench.ts'

t.setTimeout(300_000)

void t.test('the memory of each process stands beside that of the other checkout', (t) => {
  const held = [
    { process: 'api', variant: 'this', atRestMb: 105, afterMb: 180, keptMb: 120 },
    { process: 'api', variant: 'against', atRestMb: 100, afterMb: 200, keptMb: 120 },
    { process: 'webhook', variant: 'this', atRestMb: 90, afterMb: 95, keptMb: 91 },
  ]
  t.same(ratiosOfHeld(held), [{ process: 'api', atRest: 1.05, after: 0.9, kept: 1 }])
  t.match(memoryTable(held)[1], /^api, this +105\.0 +180\.0 +120\.0$/)
  t.match(memoryTable(held).at(-1), /^api, this : against +1\.05 × +0\.9 × +1 ×$/)
  t.end()
})

void t.test('memory, small: every process of two checkouts is told before and after its work', async (t) => {
  await using folder = await temporaryFolder('memory-test')
  const path = join(folder.path, 'report.json')
  const small = ['--opens', '40', '--pool', '20', '--refilled', '12', '--refilled-pool', '8']
  const soon = ['--settle-seconds', '0']
  // The same checkout stands for the other one: what is tried is that both run.
  const args = [
    join(root, 'test/bench/bench.ts'),
    'memory',
    ...small,
    ...soon,
    '--against',
    root,
    '--report',
    path,
  ]
  await promisify(execFile)('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, ...args])
  const report = JSON.parse(await readFile(path, 'utf8'))
  t.same(
    report.rows.map((row: { case: string; count: number; errors: number }) => [
      row.case,
      row.count,
      row.errors,
    ]),
    [
      ['open, this', 40, 0],
      ['open, against', 40, 0],
    ],
  )
  t.same(
    report.held
      .map((its: { process: string; variant: string }) => `${its.process}, ${its.variant}`)
      .toSorted(),
    ['api', 'controller', 'webhook'].flatMap((process) => [`${process}, against`, `${process}, this`]),
  )
  for (const { process, atRestMb, afterMb, keptMb } of report.held)
    t.ok(Math.min(atRestMb, afterMb, keptMb) > 30, `${process} is a Node process, whenever it is looked at`)
  t.equal(report.ratios.length, 3)
})

import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { ratiosOfPeers, ratioTable } from './peer-ratios.ts'
import { bench, casesOf } from './peers-bench.ts'
import { newest, writeStandInCrds } from './stand-in-crds.ts'

t.setTimeout(300_000)

const row = (name: string, ms: number, perSecond: number) => ({
  case: name,
  concurrency: 1,
  perSecond,
  p50Ms: ms,
  p90Ms: 2 * ms,
  p99Ms: 3 * ms,
  maxMs: 4 * ms,
  errors: 0,
  count: 1,
})

void t.test('ratios say how many times as fast the second side is', (t) => {
  const rows = [row('alone, A', 50, 5), row('alone, B', 2, 6), row('c=8, A', 800, 10), row('c=8, B', 10, 605)]
  const nothing = [row('c=20, A', 0, 0), row('c=20, B', 10, 600), row('c=32, A', 1, 1)]
  const ratios = ratiosOfPeers([...rows, ...nothing], { sides: ['A', 'B'], paced: ['alone'] })
  t.same(ratios, [
    { case: 'alone', p50: 25, p90: 25, p99: 25, perSecond: undefined },
    { case: 'c=8', p50: 80, p90: 80, p99: 80, perSecond: 60.5 },
    { case: 'c=20', p50: undefined, p90: undefined, p99: undefined, perSecond: undefined },
  ])
  t.match(ratioTable(ratios)[2], /^c=8 +80\.0 × +80\.0 × +80\.0 × +60\.5 ×$/)
  t.match(ratioTable(ratios)[3], /^c=20 +– +– +– +–$/)
  t.end()
})

void t.test('no case asks for more than the pool holds, and each caller has a lane', (t) => {
  const defaults = Object.fromEntries(
    Object.entries(bench.options).map(([name, { default: value }]) => [name, value]),
  )
  t.match(casesOf(defaults), [
    { name: 'alone', load: { loop: { kind: 'closed', concurrency: 1, pauseMs: 150 }, count: 54 } },
    { name: 'c=8', load: { loop: { concurrency: 8, pauseMs: 0 }, count: 54, endAfterMs: undefined } },
    { name: 'c=20', load: { count: 54 } },
    { name: '8/s open loop', load: { loop: { kind: 'open', perSecond: 8 }, count: 160, endAfterMs: 2_000 } },
  ])
  t.equal(casesOf({ ...defaults, seconds: '0' }).length, 3, 'without the open loop')
  t.end()
})

const run = promisify(execFile)
const program = join(root, 'test/bench/bench.ts')
const peers = (...args: readonly string[]) =>
  run('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, program, 'peers', ...args])

void t.test('both sides answer every claim of every case, beside a controller of the test', async (t) => {
  await using folder = await temporaryFolder('peers-test')
  const crds = await writeStandInCrds(join(folder.path, 'crds'), [newest])
  const controller = join(folder.path, 'controller')
  const standIn = join(root, 'test/bench/stand-in-controller.ts')
  await writeFile(controller, `#!/bin/sh\nexec '${process.execPath}' '${standIn}' "$@"\n`, { mode: 0o755 })
  const path = join(folder.path, 'report.json')
  const small = ['--pool', '10', '--rounds', '1', '--concurrency', '4', '--rate', '4', '--seconds', '2']
  const given = ['--agent-sandbox', controller, '--crds', crds, '--report', path]
  const { stdout } = await peers(...given, ...small, '--warm-up', '12', '--refill-rate', '20')
  const report = JSON.parse(await readFile(path, 'utf8'))
  t.same(
    report.rows.map((its: { case: string; count: number; errors: number }) => [
      its.case,
      its.count,
      its.errors,
    ]),
    [
      ['alone, agent-sandbox', 9, 0],
      ['alone, Greenroom', 9, 0],
      ['c=4, agent-sandbox', 9, 0],
      ['c=4, Greenroom', 9, 0],
      ['4/s open loop, agent-sandbox', 8, 0],
      ['4/s open loop, Greenroom', 8, 0],
    ],
  )
  t.match(report.ratios, [
    { case: 'alone', p50: Number },
    { case: 'c=4', p50: Number, perSecond: Number },
    { case: '4/s open loop' },
  ])
  t.match(report.withinTheClock, [/^agent-sandbox: from the POST of a SandboxClaim/, /^Greenroom: /])
  t.match(stdout, /agent-sandbox runs with --extensions=true --leader-elect=false\n/)
  t.match(stdout, /left out, because .* --sandbox-warm-pool-max-refill-rate=20\n/)
  t.match(stdout, /^alone +[\d.]+ × /m)
})

void t.test('what the caller can put right is one sentence and exit code 2', async (t) => {
  await using folder = await temporaryFolder('peers-test')
  await t.rejects(peers(), {
    code: 2,
    stderr: /^peers needs --agent-sandbox PROGRAM .* and --crds FOLDER\n$/,
  })
  await t.rejects(peers('--agent-sandbox', '/bin/true', '--crds', folder.path), {
    code: 2,
    stderr: /has no CRD of kind Sandbox with .*\(it has none\)\n$/,
  })
})

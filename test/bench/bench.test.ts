import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { timesFloors } from './claim-baselines.ts'
import { ratiosOf } from './growth-bench.ts'

t.setTimeout(300_000)

const run = promisify(execFile)
const program = join(root, 'test/bench/bench.ts')
/** A runner of tests puts its loaders there; a user has none. */
const env = { ...process.env, NODE_OPTIONS: undefined }

/** The shape of a report, never its times: this machine has other things to do while tests run. */
void t.test(
  'claims, small: every case opens, and the report has what it must',
  { timeout: 300_000 },
  async (t) => {
    await using folder = await temporaryFolder('bench-test')
    const path = join(folder.path, 'report.json')
    const args = ['claims', '--pool', '20', '--rounds', '1', '--concurrency', '1,4', '--report', path]
    const { stdout } = await run('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, program, ...args], {
      env,
    })
    const report = JSON.parse(await readFile(path, 'utf8'))
    t.match(report, {
      bench: 'claims',
      at: /^\d{4}-\d\d-\d\dT/,
      node: process.version,
      machine: { cores: Number, cpu: String },
      options: { pool: '20', concurrency: '1,4' },
    })
    t.equal(report.held, 20, 'the last case opened every pod once')
    t.equal(report.refused, 0)
    const cases = report.rows.map((row: { case: string }) => row.case.replace(/\d+\/s/, 'N/s'))
    const baselines = [
      'bare fastify route',
      'Lua script alone',
      'PostgreSQL statement alone',
      'POST to an agent alone',
    ]
    const both = (name: string) => [`${name}, c=1`, `${name}, c=4`]
    t.same(cases, [...both('open'), 'open, N/s open loop', ...baselines.flatMap(both)])
    const ratio = { oneStatement: Number, twoStatements: Number }
    t.match(report.timesFloors, { 'open, c=1': ratio, 'open, c=4': ratio })
    for (const row of report.rows) {
      t.match(row, { concurrency: Number, perSecond: Number, p50Ms: Number, p90Ms: Number }, row.case)
      t.match(
        row,
        { p99Ms: Number, maxMs: Number, errors: 0, count: 18 },
        `${row.case}: two of twenty warm up`,
      )
      t.ok(
        row.p50Ms > 0 && row.p50Ms <= row.p90Ms && row.p90Ms <= row.p99Ms && row.p99Ms <= row.maxMs,
        row.case,
      )
      t.match(stdout, row.case, 'the table has it too')
    }
  },
)

void t.test(
  'rooms, small: agents join and echo, and a floor stands beside them',
  { timeout: 300_000 },
  async (t) => {
    await using folder = await temporaryFolder('bench-test')
    const path = join(folder.path, 'report.json')
    const args = ['rooms', '--sessions', '4', '--pool', '3', '--report', path]
    await run('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, program, ...args], { env })
    const report = JSON.parse(await readFile(path, 'utf8'))
    t.match(report, { bench: 'rooms', lost: 0, sessionsLeft: 0, joinedOverFloor: { p50MoreMs: Number } })
    t.same(
      report.rows.map((row: { case: string; count: number }) => [row.case, row.count]),
      [
        ['POST to 201', 4],
        ['POST to agent in its room', 4],
        ['floor: bare connect', 2],
        ['POST to first echo', 4],
        ['floor: first echo', 2],
      ],
    )
  },
)

void t.test(
  'events, small: memory, claims beside streams, and every listener hears every event',
  async (t) => {
    await using folder = await temporaryFolder('bench-test')
    const path = join(folder.path, 'report.json')
    const args = [
      'events',
      '--listeners',
      '30',
      '--pool',
      '20',
      '--rounds',
      '1',
      '--events',
      '2',
      '--report',
      path,
    ]
    await run('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, program, ...args], { env })
    const report = JSON.parse(await readFile(path, 'utf8'))
    t.match(report, { bench: 'events', listeners: 30, kbEach: Number, beforeMb: Number })
    t.same(
      report.rows.map((row: { case: string; count: number; errors: number }) => [
        row.case,
        row.count,
        row.errors,
      ]),
      [
        ['open, nobody follows', 18, 0],
        ['open, 30 idle streams', 18, 0],
        ['event to its listener', 60, 0],
        ['event to each of 30 listeners', 60, 0],
      ],
    )
  },
)

void t.test('sizing, small: one load beside the best fixed size, and what was missed', async (t) => {
  await using folder = await temporaryFolder('bench-test')
  const path = join(folder.path, 'report.json')
  const args = ['sizing', '--loads', 'Poisson 0.2', '--shorter', '5', '--report', path]
  await run('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, program, ...args], { env })
  const report = JSON.parse(await readFile(path, 'utf8'))
  t.match(report, {
    bench: 'sizing',
    sizing: [
      {
        load: 'Poisson 0.2/s',
        kind: 'steady',
        hitRate: Number,
        idlePods: Number,
        // The seed is fixed, so this is always the same.
        fixedSize: 8,
        ofFixed: Number,
      },
    ],
  })
  t.ok(report.sizing[0].hitRate > 0.99)
  t.equal(Object.keys(report.sizing[0].rivals).length, 4)
  t.ok(Array.isArray(report.missed))
})

void t.test('dashboard, small: the page is painted, filled, and shows a change', async (t) => {
  await using folder = await temporaryFolder('bench-test')
  const path = join(folder.path, 'report.json')
  const args = [
    'dashboard',
    '--pods',
    '8',
    '--pools',
    '2',
    '--sessions',
    '50',
    '--rounds',
    '1',
    '--report',
    path,
  ]
  await run('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, program, ...args], { env })
  const report = JSON.parse(await readFile(path, 'utf8'))
  t.same(
    report.rows.map((row: { case: string; count: number }) => [row.case, row.count]),
    [
      ['first paint', 1],
      ['pools and sessions shown', 1],
      ['a change until it is seen', 1],
    ],
  )
  t.ok(report.elements < 1_500, `${report.elements} elements`)
})

void t.test(
  'without a name it lists the benches; a wrong one or a wrong option ends with one sentence',
  async (t) => {
    const bench = (...args: string[]) =>
      run('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, program, ...args])
    const { stdout } = await bench()
    for (const name of [
      'claims',
      'starts',
      'refill',
      'burst',
      'growth',
      'rooms',
      'events',
      'sizing',
      'dashboard',
    ])
      t.match(stdout, new RegExp(`^${name} `, 'm'))
    await t.rejects(bench('nothing'), { code: 2, stderr: /^there is no bench "nothing": claims/ })
    await t.rejects(bench('claims', '--unknown'), { code: 2, stderr: /--unknown/ })
  },
)

const row = (name: string, p50Ms: number) => ({
  case: name,
  concurrency: 1,
  perSecond: 1,
  p50Ms,
  p90Ms: 1,
  p99Ms: 1,
  maxMs: 1,
  errors: 0,
  count: 1,
})

void t.test('growth is told as a multiple of the smallest case of its kind', (t) => {
  const rows = [row('slots, 10', 2), row('slots, 100', 3), row('pools, 1', 4), row('pools, 10', 4)]
  t.same(ratiosOf(rows), { 'slots, 10': 1, 'slots, 100': 1.5, 'pools, 1': 1, 'pools, 10': 1 })
  t.end()
})

void t.test('an open is told as a multiple of what its parts cost alone', (t) => {
  const open = row('open, c=1', 6)
  const parts = [
    row('bare fastify route, c=1', 0.25),
    row('Lua script alone, c=1', 0.25),
    row('PostgreSQL statement alone, c=1', 1),
    row('POST to an agent alone, c=1', 0.5),
  ]
  t.same(timesFloors([open, ...parts]), { 'open, c=1': { oneStatement: 3, twoStatements: 2 } })
  t.same(timesFloors([open, ...parts.slice(1)]), {}, 'not without one of them')
  t.end()
})

void t.test('scale, small: what is measured at rest and at a rate, of each process', async (t) => {
  await using folder = await temporaryFolder('bench-test')
  const path = join(folder.path, 'report.json')
  const sizes = ['--pods', '20', '--pods-a-pool', '10', '--replicas', '2', '--slots', '100']
  // Every two seconds each pool is looked at.
  const times = ['--rest-seconds', '4', '--rate', '4', '--load-seconds', '3', '--rounds', '1']
  const args = ['scale', ...sizes, ...times, '--report', path]
  await run('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, program, ...args], { env })
  const report = JSON.parse(await readFile(path, 'utf8'))
  t.match(report.rebuilds, [
    { version: 'now', slots: 100, indexed: 100, rebuildMs: Number, bytesEach: Number },
  ])
  const [step] = report.steps
  t.match(step, { pods: 20, pools: 2, informer: { now: { pods: 20, listMs: Number, bytesEach: Number } } })
  const processes = [
    'api-1',
    'api-2',
    'controller',
    'webhook',
    'postgresql',
    'redis',
    'kube-apiserver',
    'etcd',
  ]
  for (const usage of [step.atRest.now, step.atRate]) {
    t.same(Object.keys(usage.cpuPercent), processes)
    t.same(Object.keys(usage.memoryMb), processes)
    t.match(usage.reconciles, { count: Number, p50Ms: Number, p99Ms: Number })
  }
  t.match(step.row, { errors: 0, count: Number })
  t.match(step.statuses, { 201: Number })
  for (const [engine, each] of Object.entries(step.costs)) t.ok(Number(each) > 0, engine)
})

void t.test('rows, small: every statement is answered, beside few sessions and beside many', async (t) => {
  await using folder = await temporaryFolder('bench-test')
  const path = join(folder.path, 'report.json')
  const sizes = ['--ended', '2000', '--live', '200', '--pods', '20', '--pools', '2']
  const args = ['rows', ...sizes, '--rounds', '1', '--calls', '5', '--churn', '0', '--report', path]
  await run('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, program, ...args], { env })
  const report = JSON.parse(await readFile(path, 'utf8'))
  t.same(
    report.rows.filter(({ errors }: { errors: number }) => errors > 0),
    [],
  )
  t.match(report.ratios, { 'list, deep, large': { p50: Number, p99: Number } })
})

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runProgram } from '../support/run-program.ts'

t.setTimeout(300_000)

const traces = 'test/fixtures/traces'

function simulate(...args: string[]) {
  return runProgram('src/cli/greenroom.ts', ['simulate', ...args])
}

function folderWith(t: Test, text: string): Promise<string> {
  const path = join(t.testdir(), 'claims.csv')
  return writeFile(path, text).then(() => path)
}

void t.test(
  'several sizings beside the best fixed one, as table, JSON and page; twice the same',
  async (t) => {
    const report = join(t.testdir(), 'out.html')
    const args = [
      '--synthetic',
      'poisson:0.2',
      '--days',
      '0.5',
      '--sizing',
      'fixed:7',
      '--sizing',
      'hitRate:0.99',
      '--sizing',
      'buffer:20%',
    ]
    const table = await simulate(...args, '--report', report)
    t.equal(table.code, 0, table.stderr)
    t.equal(table.stderr, '', 'no progress bar where nobody looks on')
    t.match(table.stdout, /^SIZING +HIT RATE +95 % INTERVAL/m)
    for (const name of ['fixed:7', 'hitRate:0.99', 'buffer:20%', String.raw`fixed:\d+ \(best in hindsight\)`])
      t.match(table.stdout, new RegExp(`^${name} +\\d`, 'm'))
    const page = await readFile(report, 'utf8')
    t.equal(page.match(/<svg/g)?.length, 3, 'the curve, and a day of each rule that changes the size')
    t.notMatch(page, /(src|href)=|NaN|undefined/, 'it needs nothing else')
    const [first, second] = await Promise.all([simulate(...args, '--json'), simulate(...args, '--json')])
    t.equal(first.stdout, second.stdout)
    const { outcomes } = JSON.parse(first.stdout)
    t.match(outcomes[0], { name: 'fixed:7', claims: Number, hitRate: Number, interval: [Number, Number] })
    t.equal(
      JSON.parse((await simulate(...args, '--json', '--seed', '2')).stdout).outcomes[0].claims ===
        outcomes[0].claims,
      false,
    )
  },
)

void t.test('traces: counts, times with CRLF, and ends of calls', async (t) => {
  const counts = await simulate(
    '--trace',
    `${traces}/nab_elb_request_count_8c0756.csv`,
    '--sizing',
    'hitRate:0.99',
  )
  t.match(
    counts.stdout,
    /^Each count is of 300 s; its claims were spread over them at random\.\n249327 claims in 14 days/m,
    counts.stderr,
  )
  const times = await simulate('--trace', `${traces}/azure_llm_2023_conv_thinned.csv`, '--sizing', 'fixed:9')
  t.match(
    times.stdout,
    /^Column "TIMESTAMP" is the time; each row is a claim\.\n1937 claims in 58\.\d minutes/m,
    times.stderr,
  )
  t.match(times.stdout, /1937 claims are too few to tell whether 99\.9 % is kept/)
  const calls = await simulate(
    '--trace',
    `${traces}/azure_functions_2021_sample200.csv`,
    '--sizing',
    'fixed:9',
  )
  t.match(calls.stdout, /^Column "end_timestamp" less the duration is the time/m, calls.stderr)
})

void t.test('a budget finds the best hit rate for it, or says that none is so cheap', async (t) => {
  const load = ['--synthetic', 'poisson:0.2', '--days', '1']
  const found = await simulate(...load, '--budget', '150', '--json')
  t.equal(found.code, 0, found.stderr)
  const [best] = JSON.parse(found.stdout).outcomes
  t.match(best.name, /^hitRate:0\.\d+ \(best for 150 a month\)$/)
  t.ok(best.costPerMonth <= 150 && best.hitRate > 0.9, JSON.stringify(best))
  const none = await simulate(...load, '--budget', '0.01')
  t.match(none, { code: 1, stderr: /^No hit rate from 50 % costs 0.01 a month or less\.$/m })
})

void t.test('the pool of a document: its sizing, min and max', async (t) => {
  const pools = join(t.testdir(), 'pools.yaml')
  await writeFile(
    pools,
    'pools: {stella: {template: {image: a}, min: 4, max: 6, sizing: {hitRate: {target: 0.99}}}}',
  )
  const load = ['--synthetic', 'poisson:1', '--days', '0.2', '--session-seconds', '1', '--json']
  const { code, stdout, stderr } = await simulate(...load, '--pools', pools, '--type', 'stella')
  t.equal(code, 0, stderr)
  const [pool] = JSON.parse(stdout).outcomes
  t.match(pool, { name: 'pool stella' })
  t.ok(pool.largestTarget <= 6 && pool.largestTarget >= 4)
  t.match(await simulate(...load, '--pools', pools, '--type', 'none'), {
    code: 2,
    stderr: /--type: one of stella/,
  })
})

void t.test('bad arguments and bad traces are refused with a code and the row', async (t) => {
  const table: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /GRN_WRONG_ARGUMENTS: give one of --trace FILE, --synthetic LOAD and --history/],
    [['--trace', 'a', '--history'], /give one of/],
    [['--history'], /--history needs DATABASE_URL/],
    [['--synthetic', 'storm'], /there is no "storm": poisson, diurnal/],
    [['--synthetic', 'poisson:-1'], /poisson:0.2 takes 1 positive numbers/],
    [['--synthetic', 'poisson:100000'], /more than 50000000 claims; fewer --days/],
    [
      ['--synthetic', 'poisson', '--sizing', 'hitRate:1'],
      /--sizing hitRate:1: \/hitRate\/target: must be <= 0.9999/,
    ],
    [['--synthetic', 'poisson', '--sizing', 'hitRate:99.9'], /must be <= 0.9999/],
    [['--synthetic', 'poisson', '--sizing', 'hitRate:often'], /\/hitRate\/target: must be number/],
    [['--synthetic', 'poisson', '--sizing', 'buffer:100%'], /must be <= 99/],
    [['--synthetic', 'poisson', '--sizing', 'more:1'], /takes fixed:N, buffer:N, buffer:N% or hitRate:SHARE/],
    [['--synthetic', 'poisson', '--starts', 'lognormal:9,3'], /0 < MEDIAN <= P99/],
    [['--synthetic', 'poisson', '--budget=-5'], /--budget: expected a number/],
    [['--synthetic', 'poisson', '--days', 'NaN'], /--days: expected a number/],
    [['--synthetic', 'poisson', '--wrong'], /--wrong/],
    [['--trace', 'no-such-file.csv'], /GRN_INVALID_TRACE: no-such-file.csv: cannot be read/],
  ]
  for (const [args, problem] of table)
    t.match(await simulate(...args), { code: 2, stderr: problem }, args.join(' '))
  const traceTable: readonly (readonly [string, RegExp])[] = [
    ['', /has no rows/],
    ['time\n', /has no rows/],
    ['when,what\n1,2\n', /row 1: no column of times among "when, what"; name it time/],
    ['time\n2026-01-05T00:00:00Z\nyesterday\n', /row 3: "yesterday" is not a time/],
    ['time,count\n0,1\n300,-4\n', /row 3: the count is "-4"/],
    ['time,count\n0,1\n', /needs two rows at least/],
    ['time,count\n0,0\n300,0\n', /counts no claim/],
    ['time\n"1\n', /row \d: .*[Qq]uote/],
  ]
  for (const [text, problem] of traceTable) {
    const { code, stderr } = await simulate('--trace', await folderWith(t, text))
    t.match({ code, stderr }, { code: 2, stderr: problem }, JSON.stringify(text))
    t.match(stderr, /^GRN_INVALID_TRACE: /)
  }
})

void t.test('what is odd and can be read is read, and said', async (t) => {
  const future = Array.from({ length: 40 }, (_, index) => `${4_102_444_800 + index * 30}`).join('\r\n')
  const { code, stdout, stderr } = await simulate(
    '--trace',
    await folderWith(t, future),
    '--sizing',
    'fixed:1',
  )
  t.equal(code, 0, stderr)
  t.match(stdout, /40 rows lie in the future; they were taken as they are\./)
  const gap = ['time', '2026-01-05 10:00', '2026-01-05 10:01', '2026-01-06 10:01'].join('\n')
  const read = await simulate('--trace', await folderWith(t, `${gap}\n`), '--sizing', 'fixed:1')
  t.match(read.stdout, /^3 claims in 24 hours/m, read.stderr)
  const mixed = await simulate('--trace', await folderWith(t, 'time\n90\n30\n60\n'), '--sizing', 'fixed:1')
  t.match(
    mixed.stdout,
    /The rows were not in the order of time; they were sorted\.\n3 claims in 1 minutes/,
    mixed.stderr,
  )
})

import { parse } from 'csv-parse/sync'
import t from 'tap'
import { usageReport } from '../../src/domain/usage-report.ts'
import { GreenroomError } from '../../src/errors.ts'
import type { UsageQuestion } from '../../src/sessions/read-usage.ts'
import { apiKey, startApi } from '../http/api-bed.ts'
import { runProgram } from '../support/run-program.ts'

const from = Date.UTC(2026, 10, 1)
const hourMs = 3_600_000
const asked: UsageQuestion[] = []
let refusal: GreenroomError | undefined
const { app } = await startApi(t, {
  async readUsage(question) {
    asked.push(question)
    if (refusal) throw refusal
    return usageReport({
      window: { from, to: from + 30 * 24 * hourMs },
      until: from + 24 * hourMs,
      by: question.by,
      sums: [
        {
          agentType: 'echo-agent',
          projectId: undefined,
          sessions: 0,
          sessionMs: 0,
          podMs: 30 * hourMs,
          startingMs: hourMs,
          inexactMs: 1_500,
        },
        {
          agentType: 'echo-agent',
          projectId: 'checkout',
          sessions: 20,
          sessionMs: 15 * hourMs,
          podMs: 18 * hourMs,
          startingMs: 0,
          inexactMs: 0,
        },
        {
          agentType: 'echo-agent',
          projectId: 'search',
          sessions: 9,
          sessionMs: 5 * hourMs,
          podMs: 6 * hourMs,
          startingMs: 0,
          inexactMs: 0,
        },
        {
          agentType: 'spare',
          projectId: undefined,
          sessions: 0,
          sessionMs: 0,
          podMs: 24 * hourMs,
          startingMs: 0,
          inexactMs: 0,
        },
      ],
      priceOf: (agentType) => question.price ?? (agentType === 'spare' ? undefined : 0.04),
    })
  },
})
const url = await app.listen({ port: 0, host: '127.0.0.1' })
const env = { GREENROOM_API_URL: url, GREENROOM_API_KEY: apiKey }
const window = ['--from', '2026-11-01', '--to', '2026-12-01']
const run = (args: readonly string[], environment: Record<string, string> = env) =>
  runProgram('src/cli/greenroom.ts', ['usage', ...args], { env: environment })

void t.test('a table: hours, what is unshared, how far it counts and how exact it is', async (t) => {
  const { code, stdout } = await run([...window, '--by', 'project,pool'])
  t.equal(code, 0)
  t.equal(
    stdout,
    `2026-11-01T00:00:00.000Z to 2026-12-01T00:00:00.000Z, counted up to 2026-11-02T00:00:00.000Z
PROJECT     POOL        SESSIONS  SESSION HOURS  IDLE HOURS  POD HOURS  COST
checkout    echo-agent  20        15.0000        25.5000     40.5000    1.62
search      echo-agent  9         5.0000         8.5000      13.5000    0.54
(unshared)  spare       0         0.0000         24.0000     24.0000    -
TOTAL                   29        20.0000        58.0000     78.0000    -
1.0000 of the idle hours were pods that started.
Pod time may be wrong by 1.5 s: no controller watched then.
`,
  )
})

void t.test('CSV and JSON for programs; a price for all pools', async (t) => {
  const csv = await run([...window, '--csv', '--price', '1'])
  const rows = parse(csv.stdout, { columns: true }) as Record<string, string>[]
  t.same(
    rows.map(({ project, pod_seconds, cost }) => [project, pod_seconds, cost]),
    [
      ['checkout', '145800.000', '40.500000'],
      ['search', '48600.000', '13.500000'],
      ['', '86400.000', '24.000000'],
    ],
  )
  t.match(asked.at(-1), { from: '2026-11-01', to: '2026-12-01', by: 'project', price: 1 })
  const json = await run([...window, '--json', '--by', 'pool', '--server', `${url}/`, '--key', apiKey], {})
  t.match(JSON.parse(json.stdout), {
    by: 'pool',
    total: { podSeconds: 280_800 },
    prices: { 'echo-agent': 0.04 },
  })
})

void t.test('what cannot be done is told on stderr, in words', async (t) => {
  const refused = async (
    args: readonly string[],
    words: RegExp,
    { expected = 2, environment = env }: { expected?: number; environment?: Record<string, string> } = {},
  ) => {
    const { code, stdout, stderr } = await run(args, environment)
    t.match({ code, stdout }, { code: expected, stdout: '' }, args.join(' '))
    t.match(stderr, words)
  }
  await refused([], /^GRN_WRONG_ARGUMENTS: --from and --to are needed\./)
  await refused([...window, '--csv', '--json'], /--csv excludes --json/)
  await refused([...window, '--wrong'], /--wrong/)
  await refused(window, /--server, GREENROOM_API_URL or a kubeconfig and --key or GREENROOM_API_KEY/, {
    environment: { HOME: '/nowhere' },
  })
  await refused([...window, '--server', 'ftp://x'], /ftp:\/\/x is not an http\(s\) address/)
  await refused([...window, '--key', 'wrong'], /^GRN_UNAUTHENTICATED: /, { expected: 5 })
  await refused(
    [...window, '--server', 'http://127.0.0.1:9'],
    /^GRN_CLIENT_UNREACHABLE: .*Check address and network/,
    { expected: 6 },
  )
  await refused([...window, '--by', 'team'], /^GRN_INVALID_REQUEST: .*by/)
  await refused([...window, '--price', '-1'], /price/)
  refusal = new GreenroomError('GRN_USAGE_NOT_KEPT', 'Not all pods before then are recorded.')
  await refused(
    window,
    /^GRN_USAGE_NOT_KEPT: Not all pods before then are recorded\. Begin the window later\.[^\n]*\n$/,
  )
})

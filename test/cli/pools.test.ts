import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createPostgresPoolSizing } from '../../src/stores/postgres-pool-sizing.ts'
import { postgresFor, startDatabase } from '../stores/store-servers.ts'
import { recordedDecisions } from '../support/decisions.ts'
import { runProgram } from '../support/run-program.ts'

const database = await startDatabase(t)
const postgres = await postgresFor(t, database)
const sizing = createPostgresPoolSizing(postgres)
const decisions = recordedDecisions(120)
await sizing.keep([{ agentType: 'echo-agent', decidedAt: 1, kept: {} }])
await sizing.noteDecisions(decisions)
const pools = (...args: string[]) =>
  runProgram('src/cli/greenroom.ts', ['pools', ...args], { env: { DATABASE_URL: postgres.url } })

void t.test('explain says where the size comes from, in one sentence and every number', async (t) => {
  const { code, stdout } = await pools('explain', 'echo-agent', '--decisions', '3')
  t.equal(code, 0)
  const last = decisions.at(-1)
  t.match(stdout, new RegExp(`^echo-agent at 2026-01-05T08:01:59.000Z: ${last?.target} idle pods?: `))
  for (const name of ['claimsPerSecond', 'leadMeanSeconds', 'quantile', 'feedback', 'season', 'target'])
    t.match(stdout, new RegExp(`^  ${name} +\\S+$`, 'm'))
  t.equal(stdout.match(/^2026-01-05T08:01:5[789]\.000Z /gm)?.length, 3)
})

void t.test('what explain writes is replayed; a changed one is found', async (t) => {
  const { stdout } = await pools('explain', 'echo-agent', '--decisions', '5', '--json')
  const explained = JSON.parse(stdout) as { mode: string; decisions: typeof decisions }
  t.match(explained, { agentType: 'echo-agent', mode: 'apply' })
  t.same(explained.decisions, decisions, 'back to the state from which a replay begins')
  const file = join(t.testdir(), 'decisions.json')
  await writeFile(file, stdout)
  t.match(await pools('replay', file), { code: 0, stdout: '120 decisions came out as they were made.\n' })
  const bent = explained.decisions.map((one) => (one.step === 60 ? { ...one, target: one.target + 1 } : one))
  await writeFile(file, JSON.stringify(bent))
  t.match(await pools('replay', file), {
    code: 1,
    stdout: /^echo-agent, run run-1, step 60 at .* differently:/,
  })
})

void t.test('the database is replayed, one pool or all', async (t) => {
  for (const args of [[], ['echo-agent']])
    t.match(await pools('replay', '--database', ...args), { code: 0, stdout: /^120 decisions/ })
  const simulate = (...args: string[]) =>
    runProgram('src/cli/greenroom.ts', ['simulate', ...args], { env: { DATABASE_URL: postgres.url } })
  t.match(await simulate('--replay', '--database'), { code: 0, stdout: /^120 decisions/ })
  t.match(await simulate('--replay', '/nowhere'), { code: 2, stderr: /could not be read/ })
})

void t.test('what cannot be done is told in words', async (t) => {
  const folder = t.testdir({ 'empty.json': '{}', 'broken.json': '{' })
  const table: [string[], RegExp][] = [
    [['grow'], /There is no "pools grow"/],
    [['explain'], /AGENT-TYPE is missing/],
    [['explain', 'echo-agent', '--decisions', '-1'], /decisions/],
    [['explain', 'echo-agent', '--decisions', 'x'], /not a whole number from 0 to 10000/],
    [['replay'], /Give the FILE of decisions, or --database/],
    [['replay', '--database', 'nobody'], /nothing to replay/],
    [['replay', join(folder, 'absent.json')], /could not be read/],
    [['replay', join(folder, 'broken.json')], /could not be read/],
    [['replay', join(folder, 'empty.json')], /has no recorded decisions/],
  ]
  for (const [args, stderr] of table)
    t.match(await pools(...args), { code: 2, stdout: '', stderr }, args.join(' '))
  t.match(await pools('explain', 'nobody'), {
    code: 3,
    stdout: '',
    stderr: /^GRN_NOTHING_RECORDED: No decision of a pool "nobody" is recorded/,
  })
})

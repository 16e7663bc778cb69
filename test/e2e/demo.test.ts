import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import type { DemoReport } from '../../bed/programs/demo-run.ts'
import { root } from '../../bed/repository.ts'

/** The README's first command, as a newcomer runs it, with fewer sessions. */

// Half a minute each on a quiet machine; beside other tests it takes four times as long.
t.setTimeout(300_000)

void t.test('the demo tells its story, reports, and exits with 0 when nothing was lost', async (t) => {
  await using folder = await temporaryFolder('demo')
  const report = join(folder.path, 'demo.json')
  const { stdout } = await promisify(execFile)(
    'npm',
    ['run', 'demo', '--', '--sessions', '4', '--report', report],
    {
      cwd: root,
    },
  )
  for (const part of [
    /pool of 7 echo agents is warm/,
    /7 sessions opened/,
    /every one knew its session, metadata and secret/,
    /kubectl get pods -n ai-agents -L greenroom.dev\/pool,greenroom.dev\/state,session/,
    /claimed {3}[0-9a-f]{8}-/,
    /open \(client side\)/,
    /GRN_AGENT_TYPE_UNKNOWN/,
    /7 agents are in the LiveKit room of their session/,
    /its words came back from the claimed pod \d+ ms after the click, its voice after \d+ ms/,
    /to go on: npm run dev/,
    /the dashboard, as long as the demo runs: http:\/\/127\.0\.0\.1:\d+\/dashboard/,
  ]) {
    t.match(stdout, part)
  }
  const figures = JSON.parse(await readFile(report, 'utf8')) as DemoReport
  t.match(figures, { opened: 7, failed: 0, doubles: 0, leaked: 0 })
  t.same(Object.keys(figures.openMs), ['p50', 'p90', 'p99', 'max'])
  t.same(Object.keys(figures.stagesMs), ['reserve', 'commit', 'deliver'])
  const { joinedMs = 0, wordsMs = 0, voiceMs = 0 } = figures.room ?? {}
  t.ok(joinedMs > 0 && wordsMs > joinedMs && voiceMs > joinedMs, JSON.stringify(figures.room))
  t.ok(figures.apiWritesPerSession <= 3, `${figures.apiWritesPerSession} writes a session`)
})

void t.test('the demo does without livekit-server, and says so in one line', async (t) => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['bed/programs/demo.ts', '--sessions', '1'],
    { cwd: root, env: { ...process.env, GREENROOM_LIVEKIT_SERVER: 'none' } },
  )
  t.equal(stdout.match(/^.*no rooms: livekit-server is missing here.*$/gm)?.length, 1)
  t.match(stdout, /4 opened, 0 failed/)
  t.notMatch(stdout, /participant/)
})

void t.test('a wrong flag ends the demo with one sentence', async (t) => {
  const run = promisify(execFile)(process.execPath, ['bed/programs/demo.ts', '--sessions', 'many'], {
    cwd: root,
  })
  await t.rejects(run, { code: 2, stderr: /--sessions takes a whole number of at least 1, not "many"/ })
})

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import type { DemoReport } from '../../bed/programs/demo-run.ts'
import { root } from '../../bed/repository.ts'

/** The README's first command, as a newcomer runs it, with fewer sessions. */

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
    /to go on: npm run dev/,
  ]) {
    t.match(stdout, part)
  }
  const figures = JSON.parse(await readFile(report, 'utf8')) as DemoReport
  t.match(figures, { opened: 7, failed: 0, doubles: 0, leaked: 0 })
  t.same(Object.keys(figures.openMs), ['p50', 'p90', 'p99', 'max'])
  t.same(Object.keys(figures.stagesMs), ['reserve', 'commit', 'deliver', 'activate'])
  t.ok(figures.apiWritesPerSession <= 3, `${figures.apiWritesPerSession} writes a session`)
})

void t.test('a wrong flag ends the demo with one sentence', async (t) => {
  const run = promisify(execFile)(process.execPath, ['bed/programs/demo.ts', '--sessions', 'many'], {
    cwd: root,
  })
  await t.rejects(run, { code: 2, stderr: /--sessions takes a whole number of at least 1, not "many"/ })
})

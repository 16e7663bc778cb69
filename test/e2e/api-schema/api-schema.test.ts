import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { startBed } from '../../../bed/bed.ts'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
import { root } from '../../../bed/repository.ts'
import { pythonWith } from '../../support/python-environment.ts'

/**
 * schemathesis reads /openapi.json of a whole installation and tries what follows from it for two minutes: every value at
 * its bounds, beyond them, of another type, missing, twice; methods that a route has not; no key. What the document does
 * not say about an answer is a fault of the one or the other.
 */

const triedForSeconds = 120

/**
 * Left out: streams of events never end; LiveKit signs what it sends to its webhook.
 * `positive_data_acceptance` asks that all that fits the schema is taken, but which cursor exists, which type has a pool and
 * which address is public is no matter of a schema.
 */
const options = [
  ['--phases', 'examples,coverage,fuzzing'],
  ['--exclude-path-regex', '/events$|^/v1/livekit/'],
  ['--exclude-checks', 'positive_data_acceptance'],
  ['--max-time', String(triedForSeconds)],
  ['--no-color'],
].flat()

/** A cold open with secrets is held until its pod is there, or this time is over. */
const pools = `pools:
  echo-agent:
    template:
      image: greenroom:0.1.0
      command: ["node", "src/agent/echo-agent.ts"]
    min: 3
    max: 12
    coldStart: { deadlineSeconds: 20 }
`

t.setTimeout(400_000)
const bed = await startBed({ replicas: 1, livekit: true, pools })
t.teardown(() => bed.stop())

void t.test('what follows from the API document is answered as the document says', async (t) => {
  const python = await pythonWith('test/e2e/api-schema/requirements.txt')
  // It keeps what it found in the folder in which it runs.
  const folder = await temporaryFolder('schemathesis')
  t.teardown(() => folder.remove())
  const run = spawn(
    python,
    [
      ['-m', 'schemathesis.cli', '--config-file', join(root, 'test/e2e/api-schema/schemathesis.toml'), 'run'],
      [`${bed.apiUrls[0]}/openapi.json`, '--header', `Authorization: Bearer ${bed.apiKey}`],
      options,
    ].flat(),
    { cwd: folder.path, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const [[code], printed] = await Promise.all([
    once(run, 'close') as Promise<[number | null]>,
    text(run.stdout),
    text(run.stderr).then((lines) => t.comment(lines)),
  ])
  t.comment(printed)
  t.equal(code, 0, 'schemathesis finds nothing')
  const [, cases = '0'] = /(\d[\d,]*) generated/.exec(printed) ?? []
  t.ok(Number(cases.replaceAll(',', '')) > 500, `it tried ${cases} requests`)
})

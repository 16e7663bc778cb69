import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { statusPartNames } from '../../src/domain/status-report.ts'
import { errorCatalogue } from '../../src/error-catalogue.ts'
import { createReadStatus } from '../../src/sessions/read-status.ts'
import { apiKey, startApi } from '../http/api-bed.ts'
import { probesOf } from '../sessions/status-bed.ts'
import { codeBlocks } from '../support/code-blocks.ts'

const page = await readFile(join(root, 'docs/status.md'), 'utf8')

void t.test('its command is run, and its example is of the API', async (t) => {
  const api = await startApi(t, {
    readStatus: createReadStatus({
      probes: probesOf({ redis: { state: 'down', detail: 'Redis does not take a write.' } }),
      readPools: { all: async () => [] },
      readLeader: async () => undefined,
      countSessions: async () => 30,
      poolCount: () => 0,
      namespace: 'ai-agents',
      clock: () => Date.now(),
    }),
  })
  const url = await api.app.listen({ host: '127.0.0.1', port: 0 })
  const [command = ''] = codeBlocks(page, 'sh')
  const env = { ...process.env, GREENROOM_API_KEY: apiKey, GREENROOM_API_URL: url }
  const { stdout } = await promisify(execFile)('bash', ['-c', command], { env })
  const answer = JSON.parse(stdout) as { parts: { part: string }[]; problems: Record<string, unknown>[] }
  const [example = '{}'] = codeBlocks(page, 'json')
  const shown = JSON.parse(example) as typeof answer
  t.match(answer, { state: 'attention', totals: { sessions: 30 } })
  const { since: _then, ...problem } = shown.problems[0] ?? {}
  t.match(answer.problems, [problem])
  t.same(answer.parts.map(({ part }) => part).sort(), [...statusPartNames].sort())
})

void t.test('it names every part, and no code that does not exist', async (t) => {
  for (const part of statusPartNames) t.match(page, `\`${part}\``)
  for (const [code] of page.matchAll(/\bGRN_[A-Z_]+\b/g)) t.ok(Object.hasOwn(errorCatalogue, code), code)
})

import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
import { root } from '../../../bed/repository.ts'
import type { CheckReport } from '../../../src/cli/agent-check/check-agent.ts'
import { pythonWith } from '../../support/python-environment.ts'
import { runProgram } from '../../support/run-program.ts'

/** The first run makes a Python environment in the cache. */
t.setTimeout(300_000)

void t.test('the Python agent keeps every rule of the contract', async (t) => {
  const python = await pythonWith('examples/python-agent/requirements.txt')
  const { code, stdout, stderr } = await runProgram('src/cli/greenroom.ts', [
    'agent-check',
    '--json',
    '--',
    python,
    'examples/python-agent/agent.py',
  ])
  t.equal(code, 0, stderr)
  const { results, tookMs } = JSON.parse(stdout) as CheckReport
  t.same(
    results.filter(({ verdict }) => verdict === 'failed'),
    [],
  )
  t.ok(results.filter(({ verdict }) => verdict === 'passed').length >= 41)
  t.ok(tookMs < 60_000, `${Math.round(tookMs)} ms`)
})

void t.test("the README's agent works as it stands", async (t) => {
  const python = await pythonWith('examples/python-agent/requirements.txt')
  const example = join(root, 'examples/python-agent')
  const [, code = ''] = /```python\n([^]*?)```/.exec(readFileSync(join(example, 'README.md'), 'utf8')) ?? []
  const folder = await temporaryFolder('python-readme')
  t.teardown(() => folder.remove())
  const agent = join(folder.path, 'agent.py')
  await writeFile(agent, code)
  const rules = ['acknowledges', 'renews-rightly', 'sigterm-exits', 'end-exits', 'no-secret-in-output']
  const outcome = await runProgram(
    'src/cli/greenroom.ts',
    ['agent-check', ...rules.flatMap((rule) => ['--rule', rule]), '--', python, agent],
    { env: { PYTHONPATH: example, PYTHONDONTWRITEBYTECODE: '1' } },
  )
  t.equal(outcome.code, 0, outcome.stderr)
  t.match(outcome.stdout, `${rules.length} passed, 0 failed, 0 not tried`)
})

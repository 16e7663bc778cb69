import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { runProgram } from '../support/run-program.ts'

void t.test('docs/agent-check.md has the rules as they are tried', async (t) => {
  const { stdout } = await runProgram('src/cli/agent-check-page.ts', [])
  t.equal(readFileSync(join(root, 'docs/agent-check.md'), 'utf8'), stdout)
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { commandsPage } from '../../src/cli/commands-page.ts'

void t.test('docs/cli.md says what the commands say', async (t) => {
  const page = readFileSync(join(root, 'docs/cli.md'), 'utf8')
  t.equal(page, await commandsPage(), 'node src/cli/commands-page.ts > docs/cli.md')
})

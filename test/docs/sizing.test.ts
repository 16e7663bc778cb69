import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { runProgram } from '../support/run-program.ts'

/** Each `simulate` of docs/sizing.md and docs/pools.md is run, and prints what the page shows below it. */

t.setTimeout(300_000)

const npm = 'npm run -s greenroom -- '

for (const name of ['sizing.md', 'pools.md']) {
  void t.test(`the commands of docs/${name} print what it shows`, async (t) => {
    const page = readFileSync(join(root, 'docs', name), 'utf8')
    const blocks = [...page.matchAll(/^```\w*\n([^]*?)^```/gm)].map(([, text = '']) => text.trim())
    const commands = blocks.filter((block) => block.startsWith(npm))
    t.equal(commands.length, 1)
    for (const command of commands) {
      const shown = blocks[blocks.indexOf(command) + 1]
      const { code, stdout, stderr } = await runProgram(
        'src/cli/greenroom.ts',
        command.slice(npm.length).split(' '),
      )
      t.equal(code, 0, stderr)
      t.equal(stdout.trim(), shown, command)
    }
  })
}

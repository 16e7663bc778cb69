import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { agentCommands } from '../../src/cli/agent-commands.ts'
import type { CommandNode } from '../../src/cli/line/command-spec.ts'
import { exitCodeMeanings } from '../../src/cli/line/exit-code.ts'
import { asksForHelp } from '../../src/cli/line/read-command-line.ts'
import { operatorCommands } from '../../src/cli/operator-commands.ts'
import { ownCommands } from '../../src/cli/own-commands.ts'
import { serverCommands } from '../../src/cli/server-commands.ts'
import { greenroomVersion } from '../../src/domain/greenroom-version.ts'
import { runProgram } from '../support/run-program.ts'

const program = 'src/cli/greenroom.ts'
const commands = { ...serverCommands, ...operatorCommands, ...agentCommands, ...ownCommands }

void t.test('--help lists every command and the exit codes', async (t) => {
  const { code, stdout } = await runProgram(program, ['--help'])
  t.equal(code, 0)
  const flat = stdout.replaceAll(/\n {10,}/g, ' ')
  for (const [name, { summary }] of Object.entries(commands)) t.ok(flat.includes(`${summary}\n`), name)
  for (const [number, meaning] of Object.entries(exitCodeMeanings))
    t.ok(stdout.includes(`  ${number}  ${meaning.slice(0, 40)}`), meaning)
})

void t.test('it is quick: no command is loaded for it', (t) => {
  for (const args of ['--help', 'version']) {
    // Processor time, for the machine may be busy with other tests.
    const script = `'${process.execPath}' ${program} ${args} > /dev/null; times`
    const run = (): number => {
      const { stdout } = spawnSync('sh', ['-c', script], { cwd: root, encoding: 'utf8', env: {} })
      const [, children = ''] = stdout.trim().split('\n')
      return children.split(' ').reduce((sum, text) => sum + milliseconds(text), 0)
    }
    const best = Math.min(...Array.from({ length: 5 }, run))
    t.ok(best < 200, `${args}: ${Math.round(best)} ms`)
  }
  t.end()
})

/** "0m0.079s", as the shell's `times` writes it. */
function milliseconds(text: string): number {
  const [, minutes = 0, seconds = 0] = /(\d+)m([\d.]+)s/.exec(text) ?? []
  return Number(minutes) * 60_000 + Number(seconds) * 1_000
}

void t.test('every command and every action says how it is used, with an example', async (t) => {
  const check = (path: readonly string[], node: CommandNode) => {
    const name = path.join(' ')
    t.match(node.summary, /^[A-Z][^.]*[^.]$/, `${name}: one sentence without its end`)
    t.ok((node.examples ?? []).length > 0, `${name} has an example`)
    for (const { line } of node.examples ?? []) t.match(line, /\bgreenroom /, `${name}: ${line}`)
    if (node.kind === 'group')
      for (const [word, next] of Object.entries(node.actions)) check([...path, word], next)
  }
  for (const [name, { load }] of Object.entries(commands)) {
    const loaded = await load()
    if (loaded.kind === undefined) t.match(loaded.usage, new RegExp(`^usage: (greenroom )?${name} `, 'i'))
    else check([name], loaded)
  }
  const { code, stdout } = await runProgram(program, ['pools', 'set', '--help'])
  t.match({ code, stdout }, { code: 0, stdout: /^Usage: greenroom pools set AGENT-TYPE \[OPTIONS\]$/m })
  t.match(await runProgram(program, ['help', 'pools', 'set']), { code: 0, stdout })
})

void t.test('what it cannot do: 2, in one line that helps', async (t) => {
  t.match(await runProgram(program, []), { code: 2, stdout: /^Usage: /m })
  for (const [args, told] of [
    [['nothing'], /There is no command "nothing"\. There are: /],
    [['toString'], /There is no command "toString"/],
    [['sesions'], /Did you mean "sessions"\?/],
    [['pools', 'lst'], /There is no "pools lst"\. Did you mean "list"\?/],
    [['keys', 'list', '--projet', 'x'], /Unknown option '--projet'\. Did you mean --project\?/],
    [['pools', 'get'], /The AGENT-TYPE is missing: "greenroom pools get --help"/],
    [['pools', 'get', 'a', 'b'], /"b" is too much/],
    [['sessions', '--status', 'OPEN'], /--status is one of PENDING, ACTIVE, ENDING, ENDED, not "OPEN"/],
    [['assign-key', '--wrong'], /Unknown option '--wrong'/],
  ] as const)
    t.match(await runProgram(program, args), {
      code: 2,
      stdout: '',
      stderr: new RegExp(`^GRN_WRONG_ARGUMENTS: .*${told.source}.*\n$`),
    })
})

void t.test('--help behind -- belongs to the program that is started', (t) => {
  t.equal(asksForHelp(['--json', '-h']), true)
  t.equal(asksForHelp(['--', 'agent', '--help']), false)
  t.end()
})

void t.test('the version is that of package.json', async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  t.equal(greenroomVersion, version)
  for (const args of [['version'], ['--version']])
    t.match(await runProgram(program, args), { code: 0, stdout: `greenroom ${version} (Node.js ` })
})

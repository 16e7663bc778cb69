import { spawnSync } from 'node:child_process'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { agentCommands } from '../../src/cli/agent-commands.ts'
import { asksForHelp } from '../../src/cli/command.ts'
import { operatorCommands } from '../../src/cli/operator-commands.ts'
import { runProgram } from '../support/run-program.ts'

const program = 'src/cli/greenroom.ts'
const commands = { ...agentCommands, ...operatorCommands }

void t.test('--help lists every command and the exit codes', async (t) => {
  const { code, stdout } = await runProgram(program, ['--help'])
  t.equal(code, 0)
  for (const [name, { summary }] of Object.entries(commands))
    t.match(stdout, new RegExp(`^  ${name} +${summary}$`, 'm'))
  t.match(stdout, /^Exit code: 0 .*; 1 .*; 2 .*\.$/m)
})

void t.test('it is quick: no command is loaded for it', (t) => {
  // Processor time, for the machine may be busy with other tests.
  const script = `'${process.execPath}' ${program} --help > /dev/null; times`
  const run = (): number => {
    const { stdout } = spawnSync('sh', ['-c', script], { cwd: root, encoding: 'utf8', env: {} })
    const [, children = ''] = stdout.trim().split('\n')
    return children.split(' ').reduce((sum, text) => sum + milliseconds(text), 0)
  }
  const best = Math.min(...Array.from({ length: 5 }, run))
  t.ok(best < 200, `${Math.round(best)} ms`)
  t.end()
})

/** "0m0.079s", as the shell's `times` writes it. */
function milliseconds(text: string): number {
  const [, minutes = 0, seconds = 0] = /(\d+)m([\d.]+)s/.exec(text) ?? []
  return Number(minutes) * 60_000 + Number(seconds) * 1_000
}

void t.test('every command says how it is used', async (t) => {
  for (const [name, { load }] of Object.entries(commands)) {
    const { usage } = await load()
    t.match(usage, new RegExp(`^usage: (greenroom )?${name} `, 'i'))
    t.match(usage, /^\S.*\n\S/, 'more than a line')
  }
  const { code, stdout } = await runProgram(program, ['doctor', '--help'])
  t.match({ code, stdout }, { code: 0, stdout: /^usage: doctor/ })
})

void t.test('what it cannot do: 2, in words', async (t) => {
  t.match(await runProgram(program, []), { code: 2, stdout: /^Usage/ })
  for (const name of ['nothing', 'toString'])
    t.match(await runProgram(program, [name]), { code: 2, stdout: '', stderr: /there is no command "/ })
  t.match(await runProgram(program, ['assign-key', '--wrong']), { code: 2, stderr: /^GRN_INVALID_CONFIG: / })
})

void t.test('--help behind -- belongs to the program that is started', (t) => {
  t.equal(asksForHelp(['--json', '-h']), true)
  t.equal(asksForHelp(['--', 'agent', '--help']), false)
  t.end()
})

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { readFlagNames, sortFlags, startSandboxController } from './sandbox-controller.ts'

const help = `if [ "$1" = --help ]; then
  printf 'Usage:\\n  -extensions\\n    \\tEnable them; see -other.\\n  -api-connections int\\n' >&2
  exit 0
fi`

/** A shell script in the folder. */
async function programOf(folder: string, ...lines: readonly string[]): Promise<string> {
  const path = join(folder, `program-${lines.length}`)
  await writeFile(path, ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 })
  return path
}

void t.test('flags are those that the program names in its help', async (t) => {
  await using folder = await temporaryFolder('controller')
  const known = await readFlagNames(await programOf(folder.path, help))
  t.same([...known], ['extensions', 'api-connections'])
  t.same(sortFlags(['--extensions=true', '-api-connections=4', '--leader-elect=false'], known), {
    taken: ['--extensions=true', '-api-connections=4'],
    unknown: ['--leader-elect=false'],
  })
})

void t.test('a program that is missing or another one is told in one sentence', async (t) => {
  await using folder = await temporaryFolder('controller')
  const start = (program: string) =>
    startSandboxController({
      program,
      flags: [],
      kubeconfigPath: '/dev/null',
      logPath: join(folder.path, 'log'),
      say: () => undefined,
    })
  await t.rejects(start(join(folder.path, 'nothing')), {
    name: 'UsageError',
    message: /^the controller program cannot be run: .*ENOENT/,
  })
  await t.rejects(start(await programOf(folder.path, 'exit 0')), {
    name: 'UsageError',
    message: /is no agent-sandbox controller: its --help has no flag --extensions$/,
  })
})

void t.test('a controller that ends is told with its last words, whatever is waited for', async (t) => {
  await using folder = await temporaryFolder('controller')
  const said: string[] = []
  const controller = await startSandboxController({
    program: await programOf(folder.path, help, 'echo "no server at $KUBECONFIG, $*"; exit 3'),
    flags: ['--api-connections=4', '--unheard-of'],
    kubeconfigPath: '/k',
    logPath: join(folder.path, 'log'),
    say: (line) => said.push(line),
  })
  const never = new Promise<never>(() => undefined)
  await t.rejects(controller.whileRunning(never), {
    message:
      /^the agent-sandbox controller ended \(exit code 3\):\nno server at \/k, --extensions=true --api-connections=4/,
  })
  t.match(said[1], /^left out, because .*--leader-elect=false .*--unheard-of$/)
  await controller.stop()
})

void t.test('a controller that is stopped is gone', async (t) => {
  await using folder = await temporaryFolder('controller')
  const controller = await startSandboxController({
    program: await programOf(folder.path, help, 'exec sleep 600', ''),
    flags: [],
    kubeconfigPath: '/k',
    logPath: join(folder.path, 'log'),
    say: () => undefined,
  })
  t.equal(await controller.whileRunning(setTimeout(1, 'done')), 'done')
  await controller.stop()
  t.throws(() => process.kill(controller.pid, 0), { code: 'ESRCH' })
})

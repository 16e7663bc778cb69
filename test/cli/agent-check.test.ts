import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import type { CheckReport } from '../../src/cli/agent-check/check-agent.ts'
import { runProgram } from '../support/run-program.ts'

/** `greenroom agent-check` as people run it, on whole agents. */

t.setTimeout(180_000)

const greenroom = 'src/cli/greenroom.ts'
const brokenAgent = fileURLToPath(new URL('./agent-check/broken-agent.ts', import.meta.url))

void t.test("the SDK's echo-agent keeps every rule, within a minute", async (t) => {
  const { code, stdout, stderr } = await runProgram(greenroom, [
    'agent-check',
    '--json',
    '--',
    process.execPath,
    'src/agent/echo-agent.ts',
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

void t.test('agent-exec keeps every rule, whatever the command', async (t) => {
  const command = [
    process.execPath,
    greenroom,
    'agent-exec',
    '--',
    process.execPath,
    '-e',
    'setInterval(() => {}, 1000)',
  ]
  const { code, stdout } = await runProgram(greenroom, ['agent-check', '--', ...command])
  t.equal(code, 0)
  t.same([...stdout.matchAll(/^\S+ +FAILED .*$/gm)], [])
})

void t.test('a broken agent: each fault is named, with what to do, and the exit code is 1', async (t) => {
  const { code, stdout } = await runProgram(
    greenroom,
    ['agent-check', '--grace-seconds', '2', '--', process.execPath, brokenAgent],
    { env: { FAULTS: 'no-audience-check,any-epoch,ignores-sigterm,logs-the-body,no-form-check' } },
  )
  t.equal(code, 1)
  const failed = [...stdout.matchAll(/^(\S+) +FAILED /gm)].map(([, rule]) => rule)
  t.same(failed, ['other-epoch', 'other-pod', 'bad-form', 'sigterm-exits', 'no-secret-in-output'])
  for (const rule of failed) t.match(stdout, new RegExp(`^${rule}: \\S.*\\.$`, 'm'), `${rule}: what to do`)
  t.match(stdout, /\n\d+ passed, 5 failed, \d not tried, in [\d.]+ s\n$/)
})

void t.test('wrong arguments: 2, in one line', async (t) => {
  const wrong = [
    [],
    ['node', 'agent.js'],
    ['--port', 'x', '--', 'node'],
    ['--rule', 'nothing', '--', 'node'],
    ['--wrong', '--', 'node'],
  ]
  for (const args of wrong) {
    const { code, stdout, stderr } = await runProgram(greenroom, ['agent-check', ...args])
    t.match({ code, stdout }, { code: 2, stdout: '' })
    t.match(stderr, /^GRN_WRONG_ARGUMENTS: .*\n$/)
  }
})

void t.test('cut off by SIGINT it leaves no agent behind', async (t) => {
  const child = spawn(
    process.execPath,
    [
      greenroom,
      'agent-check',
      '--',
      process.execPath,
      '-e',
      'console.log(1); setInterval(() => {}, 1000)',
      String(process.pid),
    ],
    { cwd: root, stdio: 'ignore', env: { PATH: process.env.PATH } },
  )
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const { pid = 0 } = child
  while (childrenOf(pid).length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  const agents = childrenOf(pid)
  child.kill('SIGINT')
  t.equal(await exited, 1)
  while (agents.some(isRunning)) await new Promise((resolve) => setTimeout(resolve, 20))
  t.pass('its agents are gone')
})

function childrenOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
}

/** A process that has ended but was not waited for has no command line. */
function isRunning(pid: string): boolean {
  return existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''
}

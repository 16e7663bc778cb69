import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { root } from './repository.ts'
import { temporaryFolder } from './temporary-folder.ts'

/**
 * `npm test [-- FILES]`: runs tap, then looks for processes that a test left behind, and ends with the line
 * `N passed, N failed`. A file that does not end by itself (an open handle) fails by tap's time-out.
 */

/** Every process of this run has it in its environment, however deep; pods of the process kubelet have a name of theirs. */
const marker = `GREENROOM_TEST_RUN=${process.pid}-${Date.now()}`
const podMarker = 'GREENROOM_LISTEN_ADDRESS='
/** What was told to end may need this long to be gone. */
const goneWithinMs = 5_000

async function run(): Promise<boolean> {
  await using folder = await temporaryFolder('tests')
  const tapFile = join(folder.path, 'results.tap')
  const before = new Set(processesOfTests())
  const tap = spawn(
    process.execPath,
    [
      join(root, 'node_modules/tap/dist/esm/run.mjs'),
      '--disable-coverage',
      '--reporter=terse',
      `--output-file=${tapFile}`,
      ...process.argv.slice(2),
    ],
    { cwd: root, stdio: 'inherit', env: { ...process.env, GREENROOM_TEST_RUN: marker.split('=')[1] } },
  )
  const code = await new Promise<number>((resolve) => tap.once('exit', (exitCode) => resolve(exitCode ?? 1)))
  const counts = countsOf(await readFile(tapFile, 'utf8'))
  const left = await leftBehind(before)
  for (const line of left) console.error(`left behind: ${line}`)
  const failed = counts.failed + left.length + (code !== 0 && counts.failed === 0 ? 1 : 0)
  // tap leaves its cursor codes on the last line; ours stands alone.
  console.log(`\n${counts.passed} passed, ${failed} failed`)
  return failed === 0
}

/** Assertions, not the tests and files that hold them (those carry their time). */
function countsOf(tap: string): { passed: number; failed: number } {
  const points = tap.match(/^ *(?:not )?ok \d+(?!.*# time=).*$/gm) ?? []
  const failed = points.filter(
    (point) => point.trimStart().startsWith('not') && !/# (SKIP|TODO)/i.test(point),
  ).length
  return {
    passed: points.filter((point) => point.trimStart().startsWith('ok') && !/# SKIP/i.test(point)).length,
    failed,
  }
}

async function leftBehind(before: ReadonlySet<number>): Promise<readonly string[]> {
  const deadline = performance.now() + goneWithinMs
  for (;;) {
    const left = processesOfTests().filter((pid) => !before.has(pid))
    if (left.length === 0 || performance.now() > deadline)
      return left.map((pid) => `${pid} ${proc(pid, 'cmdline')}`)
    await pause(100)
  }
}

/** Linux only; elsewhere the death watch of the bed is all there is. */
function processesOfTests(): readonly number[] {
  const pids = readdirSyncOrNone('/proc').map(Number).filter(Number.isInteger)
  return pids.filter((pid) => {
    const environment = proc(pid, 'environ').split(' ')
    return environment.includes(marker) || environment.some((variable) => variable.startsWith(podMarker))
  })
}

function readdirSyncOrNone(path: string): readonly string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** Empty for a process that has just gone or is not ours to look at. */
function proc(pid: number, file: 'environ' | 'cmdline'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

process.exitCode = (await run()) ? 0 : 1

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { root } from '../bed/repository.ts'

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
  const before = new Set(processesOfTests())
  const { code, output } = await runTap(process.argv.slice(2))
  const counts = countsOf(output)
  const left = await leftBehind(before)
  for (const line of left) console.error(`left behind: ${line}`)
  const failed = counts.failed + left.length + (code !== 0 && counts.failed === 0 ? 1 : 0)
  if (code !== 0 && counts.failed === 0) console.error(`tap ended with ${code} although no test failed`)
  console.log(`${counts.passed} passed, ${failed} failed`)
  return failed === 0
}

/**
 * One line a file while it runs, and everything of a file that fails. Plain TAP is read rather than shown by one of
 * tap's reporters: `terse` gave up in the middle of a run of 90 files and took tap with it.
 */
async function runTap(files: readonly string[]): Promise<{ code: number; output: string }> {
  const tap = spawn(
    process.execPath,
    [join(root, 'node_modules/tap/dist/esm/run.mjs'), '--disable-coverage', '--reporter=tap', ...files],
    {
      cwd: root,
      stdio: ['inherit', 'pipe', 'inherit'],
      env: { ...process.env, GREENROOM_TEST_RUN: marker.split('=')[1] },
    },
  )
  const exited = once(tap, 'close')
  const output: string[] = []
  let ofThisFile: string[] = []
  for await (const line of createInterface({ input: tap.stdout })) {
    output.push(line)
    ofThisFile.push(line)
    if (!/^(not )?ok \d+ - /.test(line)) continue
    console.log(line.startsWith('not') ? ofThisFile.join('\n') : line)
    ofThisFile = []
  }
  const [code] = (await exited) as [number | null]
  return { code: code ?? 1, output: output.join('\n') }
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

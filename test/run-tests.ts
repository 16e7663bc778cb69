import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { root } from '../bed/repository.ts'
import { canStartLiveKit } from '../bed/servers/livekit-server.ts'
import { compileCacheFolder } from '../bed/set-up/cache-folder.ts'
import { leftBehind, processesOfTests, runMark } from './support/left-behind.ts'
import { filesForSecondRun } from './support/second-run.ts'
import { findTestFiles, type TestFile } from './support/test-files.ts'
import { slowestFiles } from './support/test-times.ts'

/**
 * `npm test [-- --times] [-- PATHS]` runs every test file, or these files and those in these folders; `npm run test:unit` those that need no server. Both
 * look for processes that a test left behind, and end with the line `N passed, N failed`. A file that does not end by
 * itself (an open handle) fails by tap's time-out. A file that fails beside others may run once more (second-run.ts).
 */

/** How many of the slowest files `--times` shows. */
const slowestShown = 30

interface Wanted {
  readonly files: readonly TestFile[]
  readonly times: boolean
}

function readCommandLine(): Wanted {
  const flag = { type: 'boolean', default: false } as const
  const { values, positionals } = parseArgs({ options: { unit: flag, times: flag }, allowPositionals: true })
  const { times } = values
  const files = findTestFiles().filter(({ needsServers }) => !(values.unit && needsServers))
  const wanted = positionals.map((path) => relative(root, resolve(path)))
  const isWanted = (path: string) =>
    wanted.length === 0 || wanted.some((named) => path === named || path.startsWith(`${named}/`))
  const chosen = files.filter(({ path }) => isWanted(path))
  return { files: chosen, times }
}

async function run(): Promise<boolean> {
  const wanted = readCommandLine()
  if (wanted.files.length === 0) {
    console.error('no test file is there')
    return false
  }
  // The bed does without it, but then the tests of rooms would fail one by one.
  const withServers = wanted.files.filter(({ needsServers }) => needsServers)
  const others = wanted.files.filter(({ needsServers }) => !needsServers)
  if (withServers.length > 0 && !canStartLiveKit()) {
    console.error('livekit-server is missing, which tests of rooms need: "npm run setup" says how to get it')
    return false
  }
  const before = new Set(processesOfTests())
  const began = performance.now()
  const { jobs } = readSettings()
  const ran = (
    await Promise.all([
      runTap(withServers, { jobs }),
      runTap(others, withServers.length > 0 ? beside : { jobs }),
    ])
  ).flat()
  const again = await runAgain(ran, wanted.files)
  const counted = ran.map((run) => again.find(({ path }) => path === run.path) ?? run)
  const left = await leftBehind(before)
  for (const line of left) console.error(`left behind: ${line}`)
  const failed = sum(counted.map((run) => run.failed)) + left.length
  if (wanted.times) console.log(slowestFiles(ran.map(({ tap }) => tap).join('\n'), slowestShown))
  for (const { path, failed } of again)
    console.log(`${path} failed beside others and ${failed > 0 ? 'failed' : 'passed'} alone`)
  console.log(`${wanted.files.length} files in ${Math.round((performance.now() - began) / 1_000)} s`)
  console.log(`${sum(counted.map((run) => run.passed))} passed, ${failed} failed`)
  return failed === 0
}

const sum = (numbers: readonly number[]) => numbers.reduce((all, number) => all + number, 0)

/** The second runs, if the first ones are worth one. */
async function runAgain(ran: readonly FileRun[], files: readonly TestFile[]): Promise<readonly FileRun[]> {
  const failed = ran.filter((run) => run.failed > 0).map(({ path }) => path)
  const paths = filesForSecondRun(failed)
  if (paths.length > 0) console.log(`once more, alone: ${paths.join(', ')}`)
  return runTap(
    files.filter(({ path }) => paths.includes(path)),
    { jobs: 1 },
  )
}

interface Pace {
  readonly jobs: number
  readonly nice?: number
  /** How many times its time-out a file may take. */
  readonly patience?: number
}

interface FileRun {
  readonly path: string
  /** Assertions, not the tests that hold them; a file that failed without one counts as one. */
  readonly passed: number
  readonly failed: number
  readonly tap: string
}

/**
 * Files that need no server run beside the others, in the third of the time for which those only wait: they would take minutes
 * of their own. With a lower priority, so that the bounds of fault tests hold, and therefore with more time.
 */
const beside: Pace = { jobs: 1, nice: 5, patience: 3 }

/**
 * One line a file while it runs, and everything of a file that fails. Plain TAP is read rather than shown by one of
 * tap's reporters: `terse` gave up in the middle of a run of 90 files and took tap with it.
 */
async function runTap(
  files: readonly TestFile[],
  { jobs, nice = 0, patience = 1 }: Pace,
): Promise<readonly FileRun[]> {
  if (files.length === 0) return []
  const timeout = readSettings().timeout * patience
  const program = join(root, 'test/support/run-files.ts')
  const args = [program, String(jobs), String(timeout * 1_000), ...files.map(({ path }) => path)]
  const tap = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['inherit', 'pipe', 'inherit'],
    env: {
      ...process.env,
      ...runMark,
      // For what a file does not time itself.
      TAP_TIMEOUT: String(timeout),
      // Several hundred processes load the same modules, types stripped and compiled: that takes each up to half a second.
      NODE_COMPILE_CACHE: compileCacheFolder(),
    },
  })
  // All that it starts from now on has this priority as well.
  if (nice > 0 && tap.pid !== undefined) setPriority(tap.pid, nice)
  const exited = once(tap, 'close')
  const runs: FileRun[] = []
  let ofThisFile: string[] = []
  let failed = false
  for await (const line of createInterface({ input: tap.stdout })) {
    // What a failed file ended with stands behind its line, indented, and before the heading of the next file.
    failed &&= line.startsWith('  ')
    if (failed) console.log(line)
    else ofThisFile.push(line)
    const [, not, path = ''] = /^(not )?ok \d+ - (\S+)/.exec(line) ?? []
    if (path === '') continue
    failed = not !== undefined
    console.log(failed ? ofThisFile.join('\n') : line)
    runs.push(fileRun(path, failed, ofThisFile.join('\n')))
    ofThisFile = []
  }
  const [code] = (await exited) as [number | null]
  const missing = files.filter(({ path }) => !runs.some((run) => run.path === path))
  for (const { path } of missing) {
    console.error(`${path} was not run: tap ended with ${code}`)
    runs.push(fileRun(path, true, ''))
  }
  if (code !== 0 && runs.every((run) => run.failed === 0)) {
    console.error(`tap ended with ${code} although no test failed`)
    runs.push(fileRun('tap', true, ''))
  }
  return runs
}

function fileRun(path: string, isFailed: boolean, tap: string): FileRun {
  const { passed, failed } = countsOf(tap)
  return { path, passed, failed: isFailed ? Math.max(1, failed) : failed, tap }
}

function readSettings(): { readonly jobs: number; readonly timeout: number } {
  return parse(readFileSync(join(root, '.taprc'), 'utf8'))
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

process.exitCode = (await run()) ? 0 : 1

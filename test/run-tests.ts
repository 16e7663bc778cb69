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
import { findTestFiles, type TestFile } from './support/test-files.ts'
import { slowestFiles } from './support/test-times.ts'

/**
 * `npm test [-- --times] [-- PATHS]` runs every test file, or these files and those in these folders; `npm run test:unit` those that need no server. Both
 * look for processes that a test left behind, and end with the line `N passed, N failed`. A file that does not end by
 * itself (an open handle) fails by tap's time-out.
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
  const runs = await Promise.all([
    runTap(withServers, { jobs }),
    runTap(others, withServers.length > 0 ? beside : { jobs }),
  ])
  const code = Math.max(...runs.map((run) => run.code))
  const output = runs.map((run) => run.output).join('\n')
  const counts = countsOf(output)
  const left = await leftBehind(before)
  for (const line of left) console.error(`left behind: ${line}`)
  const failed = counts.failed + left.length + (code !== 0 && counts.failed === 0 ? 1 : 0)
  if (code !== 0 && counts.failed === 0) console.error(`tap ended with ${code} although no test failed`)
  if (wanted.times) console.log(slowestFiles(output, slowestShown))
  console.log(`${wanted.files.length} files in ${Math.round((performance.now() - began) / 1_000)} s`)
  console.log(`${counts.passed} passed, ${failed} failed`)
  return failed === 0
}

interface Pace {
  readonly jobs: number
  readonly nice?: number
}

interface TapRun {
  readonly code: number
  readonly output: string
}

/**
 * Files that need no server run beside the others, in the third of the time for which those only wait: they would take minutes
 * of their own. With a lower priority, so that the bounds of fault tests hold.
 */
const beside: Pace = { jobs: 1, nice: 5 }

/**
 * One line a file while it runs, and everything of a file that fails. Plain TAP is read rather than shown by one of
 * tap's reporters: `terse` gave up in the middle of a run of 90 files and took tap with it.
 */
async function runTap(files: readonly TestFile[], { jobs, nice = 0 }: Pace): Promise<TapRun> {
  if (files.length === 0) return { code: 0, output: '' }
  const { timeout } = readSettings()
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
  const output: string[] = []
  let ofThisFile: string[] = []
  let failed = false
  for await (const line of createInterface({ input: tap.stdout })) {
    output.push(line)
    // What a failed file ended with stands behind its line, indented.
    if (failed && line.startsWith('  ')) console.log(line)
    else ofThisFile.push(line)
    if (!/^(not )?ok \d+ - /.test(line)) continue
    failed = line.startsWith('not')
    console.log(failed ? ofThisFile.join('\n') : line)
    ofThisFile = []
  }
  const [code] = (await exited) as [number | null]
  return { code: code ?? 1, output: output.join('\n') }
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

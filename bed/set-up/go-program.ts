import { spawnSync } from 'node:child_process'
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { settledWithin } from '../processes/settled-within.ts'
import { type Program, startProgram } from '../processes/start-program.ts'
import { inPath, isExecutable } from './binaries.ts'
import { SetupError } from './set-up-error.ts'

/** Programs that set-up builds with Go, from modules whose go.mod pins every version. */

/** Oldest Go that builds the pinned programs (`go` lines of their go.mod). */
export const oldestGo = '1.26'

export interface GoProgram {
  /** Of the file it becomes. */
  readonly name: string
  readonly package: string
  /** Folder with the go.mod. */
  readonly module: string
  /** Of the build, comma-separated. */
  readonly tags?: string
}

interface BuildOptions {
  /** Path of Go itself. */
  readonly go: string
  /** Where the program goes; the cache. */
  readonly folder: string
  readonly say: (line: string) => void
}

const progressEveryMs = 30_000

/** The machine's Go, if it is new enough. */
export function findGo(): string | undefined {
  const go = inPath('go')
  if (!go) return undefined
  // At / there is no go.mod that would make Go fetch another toolchain.
  const { stdout } = spawnSync(go, ['env', 'GOVERSION'], { cwd: '/', encoding: 'utf8' })
  const [, major = 0, minor = 0] = (/^go(\d+)\.(\d+)/.exec(stdout) ?? []).map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = oldestGo.split('.').map(Number)
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor) ? go : undefined
}

/** Builds the program unless it is there. Throws SetupError. */
export async function buildGoProgram(program: GoProgram, { go, folder, say }: BuildOptions): Promise<void> {
  const { name } = program
  const target = join(folder, name)
  if (isExecutable(target)) return
  await mkdir(folder, { recursive: true })
  const started = performance.now()
  const part = `${target}.${process.pid}.part`
  const logPath = join(folder, `${name}.log`)
  await rm(logPath, { force: true })
  const build = await startProgram({
    command: go,
    args: [
      'build',
      '-trimpath',
      ...(program.tags === undefined ? [] : ['-tags', program.tags]),
      '-ldflags',
      '-s -w',
      '-o',
      part,
      program.package,
    ],
    cwd: program.module,
    env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' },
    logPath,
  })
  await tellProgress(build, () => say(`  ${name}: compiling, ${elapsed(started)}`))
  const { code } = await build.ended
  if (code !== 0) {
    await rm(part, { force: true })
    throw new SetupError(
      `go build of ${name} failed: ${(await readFile(logPath, 'utf8')).trim().slice(-500)}`,
    )
  }
  // Renamed into place, so that nobody finds half a program.
  await rename(part, target)
  await rm(logPath, { force: true })
  say(`  ${name}: built in ${elapsed(started)}`)
}

async function tellProgress(build: Program, tell: () => void): Promise<void> {
  while (!(await settledWithin(build.ended, progressEveryMs))) tell()
}

/** `75 s` or `6 min 15 s`. */
export function elapsed(since: number): string {
  const seconds = Math.round((performance.now() - since) / 1_000)
  return seconds < 100 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

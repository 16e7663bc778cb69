import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Nothing that the bed starts outlives the process that started it, even if that is killed with -9: one small shell
 * process per starter waits for its death and then ends what is left (`death-watch.sh`).
 */
interface DeathWatch {
  readonly fifoPath: string
  readonly fifo: number
}

const script = fileURLToPath(new URL('./death-watch.sh', import.meta.url))
let running: DeathWatch | undefined

function deathWatch(): DeathWatch {
  running ??= startDeathWatch()
  return running
}

function startDeathWatch(): DeathWatch {
  const folder = mkdtempSync(join(tmpdir(), 'greenroom-watch-'))
  const fifoPath = join(folder, 'fifo')
  execFileSync('mkfifo', ['-m', '600', fifoPath])
  // Both ends, so that opening does not block; closed on exec, so that no child keeps the file from ending.
  const fifo = openSync(fifoPath, constants.O_RDWR)
  const readEnd = openSync(fifoPath, constants.O_RDONLY)
  // A session of its own: Ctrl-C in a terminal goes to the whole foreground group.
  const watch = spawn('/bin/sh', [script, folder], { stdio: [readEnd, 'ignore', 'ignore'], detached: true })
  watch.unref()
  closeSync(readEnd)
  return { fifoPath, fifo }
}

/** The process, and the group it leads if it leads one, gets `signal` when this process is gone, then SIGKILL. */
export function endWithMe(pid: number, signal: 'KILL' | 'QUIT' | 'TERM' = 'KILL'): void {
  tell(`+ ${pid} ${signal}`)
}

/** The process has ended: its number may soon belong to another one. */
export function endedAlready(pid: number): void {
  tell(`- ${pid}`)
}

/** Removes a temporary folder (its name must begin with `greenroom-`) when this process is gone. */
export function removeWithMe(folder: string): void {
  if (/\s/.test(folder)) throw new Error(`a temporary folder may not have a blank in its path: ${folder}`)
  tell(`d ${folder}`)
}

/**
 * Text of a shell script that notes its own pid in `pidPath` and becomes `program`, known to the death watch from its
 * first moment. For programs that a library starts.
 */
export function watchedProgramScript(program: string, pidPath: string): string {
  return [
    '#!/bin/sh',
    `echo "$$" > ${quoted(pidPath)}`,
    `echo "+ $$ KILL" > ${quoted(deathWatch().fifoPath)}`,
    '# A session of its own, so that Ctrl-C reaches only the one who then stops everything in order.',
    `if command -v setsid > /dev/null; then exec setsid ${quoted(program)} "$@"; fi`,
    `exec ${quoted(program)} "$@"`,
    '',
  ].join('\n')
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`
}

function tell(line: string): void {
  // Below PIPE_BUF, so it is written whole; synchronous, so that no death comes between a start and its entry.
  writeSync(deathWatch().fifo, `${line}\n`)
}

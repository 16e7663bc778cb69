import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Ends what this process has started when it dies, even by kill -9: a small shell process (`death-watch.sh`) waits for its
 * death and then ends what is left.
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
  // Opened for both directions, so that opening does not block. Closed on exec, so that no child keeps it open.
  const fifo = openSync(fifoPath, constants.O_RDWR)
  const readEnd = openSync(fifoPath, constants.O_RDONLY)
  // In a session of its own, because Ctrl-C in a terminal goes to the whole foreground group.
  const watch = spawn('/bin/sh', [script, folder], { stdio: [readEnd, 'ignore', 'ignore'], detached: true })
  watch.unref()
  closeSync(readEnd)
  return { fifoPath, fifo }
}

/** When this process is gone, sends `signal` and then SIGKILL to that process and to the group that it leads. */
export function endWithMe(pid: number, signal: 'KILL' | 'QUIT' | 'TERM' = 'KILL'): void {
  tell(`+ ${pid} ${signal}`)
}

/** Forgets a process that has ended: its number may soon belong to another one. */
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
  // Shorter than PIPE_BUF, so it is written whole. Synchronous, so that no death comes between a start and its entry.
  writeSync(deathWatch().fifo, `${line}\n`)
}

import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** Finds processes that a run of the tests has started and not ended. Linux only; elsewhere it finds none. */

/** Environment of every process of this run, however deep, but for pods of the process kubelet: those have their own. */
export const runMark = { GREENROOM_TEST_RUN: `${process.pid}-${Date.now()}` }
const marker = `GREENROOM_TEST_RUN=${runMark.GREENROOM_TEST_RUN}`
const podMarker = 'GREENROOM_LISTEN_ADDRESS='
/** A process that was told to end may need this long. */
const goneWithinMs = 5_000

/** A line for each process that was not there `before` and does not end by itself. */
export async function leftBehind(before: ReadonlySet<number>): Promise<readonly string[]> {
  const deadline = performance.now() + goneWithinMs
  for (;;) {
    const left = processesOfTests().filter((pid) => !before.has(pid))
    if (left.length === 0 || performance.now() > deadline)
      return left.map((pid) => `${pid} ${proc(pid, 'cmdline').replaceAll('\0', ' ')}`)
    await pause(100)
  }
}

/** Processes of this run, and pods whose kubelet is of this run or gone. Others may run their own on this machine. */
export function processesOfTests(): readonly number[] {
  const pids = entriesOf('/proc').map(Number).filter(Number.isInteger)
  return pids.filter((pid) => {
    if (isMarked(pid)) return true
    if (!variablesOf(pid).some((variable) => variable.startsWith(podMarker))) return false
    const parent = Number(/^PPid:\s+(\d+)$/m.exec(proc(pid, 'status'))?.[1])
    // An orphan belongs to process 1.
    return parent <= 1 || isMarked(parent)
  })
}

const isMarked = (pid: number) => variablesOf(pid).includes(marker)

function variablesOf(pid: number): readonly string[] {
  return proc(pid, 'environ').split('\0')
}

function entriesOf(path: string): readonly string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** Empty for a process that has just gone or is not ours to look at. */
function proc(pid: number, file: 'environ' | 'cmdline' | 'status'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

import { readdirSync, readFileSync } from 'node:fs'

/** Linux counts processor time in hundredths of a second (USER_HZ), whatever the kernel's own clock. */
const tickMs = 10

/** Processor time of each named process and its children so far, milliseconds; empty where there is no /proc. */
export function cpuMsOf(processes: Readonly<Record<string, number | undefined>>): Record<string, number> {
  const all = processTable()
  const sums: Record<string, number> = {}
  for (const [name, pid] of Object.entries(processes)) {
    const own = all.filter((entry) => entry.pid === pid || entry.parent === pid)
    if (own.length > 0) sums[name] = own.reduce((sum, { cpuMs, endedMs }) => sum + cpuMs + endedMs, 0)
  }
  return sums
}

/** Processor time of all threads of one process so far, ms, by the scheduler's own clock; 0 when it is gone. */
export function threadCpuMsOf(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    const nanoseconds = threads.map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
    )
    return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6
  } catch {
    // It has just ended, or this is no Linux.
    return 0
  }
}

/** Of a process: its children that run now. */
export function childrenOf(pid: number): readonly number[] {
  return processTable()
    .filter(({ parent }) => parent === pid)
    .map((child) => child.pid)
}

/** What was used between two looks, for each of `count` operations; rounded to microseconds. */
export function cpuMsEach(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  count: number,
): Record<string, number> {
  const each = ([name, ms]: [string, number]): [string, number] => [
    name,
    Math.round(((ms - (before[name] ?? 0)) / count) * 1_000) / 1_000,
  ]
  return Object.fromEntries(Object.entries(after).map(each))
}

/** Adds up what was used in several stretches of time. */
export function createCpuSums() {
  const spent: Record<string, number> = {}
  return {
    add(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>): void {
      for (const [name, ms] of Object.entries(after))
        spent[name] = (spent[name] ?? 0) + ms - (before[name] ?? 0)
    },
    each: (count: number) => cpuMsEach({}, spent, count),
  }
}

interface Entry {
  readonly pid: number
  readonly parent: number
  readonly cpuMs: number
  /** Of its children that have ended: a connection's process of PostgreSQL must not take its time with it. */
  readonly endedMs: number
}

function processTable(): readonly Entry[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger).flatMap(entryOf)
  } catch {
    return []
  }
}

function entryOf(pid: number): Entry[] {
  try {
    // The name in parentheses may hold blanks; after it: state, parent, … user and system time as 12th and 13th, and
    // those of its ended children as 14th and 15th.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    const cpuMs = (Number(fields[11]) + Number(fields[12])) * tickMs
    const endedMs = (Number(fields[13]) + Number(fields[14])) * tickMs
    return [{ pid, parent: Number(fields[1]), cpuMs, endedMs }]
  } catch {
    // It has just ended.
    return []
  }
}

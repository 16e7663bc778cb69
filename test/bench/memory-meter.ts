import { readdirSync, readFileSync } from 'node:fs'

/**
 * Memory of each named process, MB: resident; of one with children, such as PostgreSQL, the shares of all of them, for they
 * share most of their pages. Empty where there is no /proc.
 */
export function memoryMbOf(processes: Readonly<Record<string, number | undefined>>): Record<string, number> {
  const found: Record<string, number> = {}
  for (const [name, pid] of Object.entries(processes)) {
    if (pid === undefined) continue
    const family = [pid, ...childrenOf(pid)]
    const kb = family.length > 1 ? sum(family.map(shareKb)) : kbIn(`/proc/${pid}/status`, 'VmRSS')
    if (kb > 0) found[name] = Math.round(kb / 102.4) / 10
  }
  return found
}

function childrenOf(pid: number): readonly number[] {
  return pidsNow().filter((child) => {
    // After the name in parentheses: state, parent.
    const fields = textOf(`/proc/${child}/stat`).split(') ').at(-1)?.split(' ') ?? []
    return Number(fields[1]) === pid
  })
}

function pidsNow(): readonly number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}

const shareKb = (pid: number) => kbIn(`/proc/${pid}/smaps_rollup`, 'Pss')

function kbIn(path: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(textOf(path))?.[1] ?? 0)
}

/** Empty for a process that has just ended. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

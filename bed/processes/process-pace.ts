import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { isRoot } from './system-user.ts'

/**
 * In a cluster pods start on other cores than those that serve; here all share one small machine. So a container that
 * is starting comes after everything that works, and one that is ready comes with the rest.
 */
export type Pace = 'starting' | 'serving' | 'elsewhere'
/** `elsewhere`: what a cluster runs on other machines than the one whose speed is looked at. */
const niceness: Record<Pace, number> = { starting: 19, serving: 0, elsewhere: 10 }

/** In this process from now on nobody comes after anybody: where nothing is measured, pods need not wait for a lull. */
export function levelPaces(): void {
  niceness.starting = niceness.elsewhere = 0
}

export function setPace(pid: number, pace: Pace): void {
  // A group of several is scheduled as one: only the first of a session may speak for it.
  if (!leadsSession(pid)) return
  // Where the kernel schedules each session as one (autogroups), only that counts between containers, and anybody may
  // change it for his own processes.
  if (tolerant(() => writeFileSync(`/proc/${pid}/autogroup`, String(niceness[pace])))) return
  // Elsewhere it is a matter of threads, and only root may take niceness back.
  if (pace !== 'serving' && !isRoot) return
  tolerant(() => {
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), niceness[pace])
  })
}

function leadsSession(pid: number): boolean {
  try {
    // After the name in parentheses: state, parent, process group, session.
    const session = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[3]
    return Number(session) === pid
  } catch {
    // Gone, or no Linux.
    return false
  }
}

/** No such process any more, no autogroups, no Linux, another's process, or (EAGAIN) too many changes in a moment. */
const expected = ['ESRCH', 'ENOENT', 'EACCES', 'EPERM', 'EINVAL', 'EAGAIN', 'ERR_SYSTEM_ERROR']

/** Whether it was done. A pod at another pace is slower or faster, nothing more. */
function tolerant(change: () => void): boolean {
  try {
    change()
    return true
  } catch (error) {
    if (expected.includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

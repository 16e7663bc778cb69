import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { isRoot } from './system-user.ts'

/**
 * In a cluster pods start on other cores than those that serve; here all share one small machine. So a starting
 * container gets the lowest priority, and a ready one the normal priority.
 */
export type Pace = 'starting' | 'serving' | 'elsewhere'
/** `elsewhere`: processes that a cluster runs on other machines than the one whose speed is measured. */
const niceness: Record<Pace, number> = { starting: 19, serving: 0, elsewhere: 10 }

/** Gives every process of this kubelet the same priority from now on: where nothing is measured, pods need not start slowly. */
export function levelPaces(): void {
  niceness.starting = niceness.elsewhere = 0
}

export function setPace(pid: number, pace: Pace): void {
  // The kernel schedules a session as one group, so only its leader may set the priority.
  if (!leadsSession(pid)) return
  // With autogroups only the priority of the session counts, and every user may change it for own processes.
  if (tolerant(() => writeFileSync(`/proc/${pid}/autogroup`, String(niceness[pace])))) return
  // Without autogroups each thread has its own, and only root may lower niceness again.
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

/** The process is gone or another user's; no autogroups, no Linux; or (EAGAIN) too many changes at once. */
const expected = ['ESRCH', 'ENOENT', 'EACCES', 'EPERM', 'EINVAL', 'EAGAIN', 'ERR_SYSTEM_ERROR']

/** True if it was done. If not, a pod is slower or faster than meant, nothing more. */
function tolerant(change: () => void): boolean {
  try {
    change()
    return true
  } catch (error) {
    if (expected.includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

import { createExpiringMemory } from '../timing/expiring-memory.ts'

/** Why a pod was made: to keep the idle target, because an open waits, or to try a roll-out. */
export type StartCause = 'refill' | 'waiting' | 'canary'

/** Longer than any start that a pool waits for. */
const keptMs = 3_600_000

/** Remembers of each pod that this process made why it did, until its start is measured. */
export function createStartCauses(now: () => number) {
  const causes = createExpiringMemory<string, StartCause>({ keptMs, now })
  return {
    note: (podUid: string, cause: StartCause): void => causes.set(podUid, cause),
    /** Asked once of each pod. An earlier leader's pods have no cause here. */
    take(podUid: string): StartCause | 'unknown' {
      const cause = causes.get(podUid) ?? 'unknown'
      causes.delete(podUid)
      return cause
    },
  }
}

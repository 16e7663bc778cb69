import type { PodWriteReason } from '../domain/pod-write-error.ts'

/** What may let refused creates pass: a quota has more room, a LimitRange or the policy changed. */
export type Relief = 'quota' | 'limit-range' | 'policy'

/** Which refusals each may end. The policy decides about resources too, which quotas and LimitRanges count. */
export const easedBy: Readonly<Record<Relief, readonly PodWriteReason[]>> = {
  quota: ['quota'],
  'limit-range': ['limit-range'],
  policy: ['denied', 'invalid', 'limit-range', 'quota'],
}

/** Carries reliefs from those who watch the cluster to the controller while it leads. */
export function createReliefs() {
  const listeners = new Set<(relief: Relief) => void>()
  return {
    tell(relief: Relief): void {
      for (const listener of listeners) listener(relief)
    },
    /** Returns the unsubscribe function. */
    subscribe(listener: (relief: Relief) => void): () => void {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

export type Reliefs = ReturnType<typeof createReliefs>

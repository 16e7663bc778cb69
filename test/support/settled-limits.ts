import { defaultLimits, type InvariantLimits } from '../../src/domain/invariants/invariant-limits.ts'

/** For tests, once everything has healed after a fault: what is still under way counts as well. */
export const settledLimits: InvariantLimits = {
  leaseGraceMs: 0,
  boundMs: {
    ...defaultLimits.boundMs,
    'claimed-pod-without-session': 0,
    'retired-pod-remains': 0,
    'ending-past-bound': 0,
  },
}

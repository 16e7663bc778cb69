import { type InvariantLimits, type Violation, type ViolationKind, violationKinds } from './breach.ts'
import { judgeIndex, judgeIndexedPods } from './index-invariants.ts'
import type { InvariantSnapshot } from './invariant-snapshot.ts'
import { judgeLedger } from './ledger-invariants.ts'
import { judgePods } from './pod-invariants.ts'

type Store = keyof InvariantSnapshot

/** Kinds for which PostgreSQL alone is not enough. */
const stores: Partial<Record<ViolationKind, readonly Store[]>> = {
  'session-without-pod': ['pods', 'ledger'],
  'claimed-pod-without-session': ['pods', 'ledger'],
  'retired-pod-remains': ['pods', 'ledger'],
  'index-entry-without-pod': ['pods', 'ledger', 'index'],
  'slot-offered-twice': ['index'],
  'reservation-past-bound': ['index'],
}

/** The kinds that this snapshot can show: a store that was not read proves neither a violation nor its absence. */
export function judgedKinds(snapshot: InvariantSnapshot): readonly ViolationKind[] {
  return violationKinds.filter((kind) =>
    (stores[kind] ?? ['ledger']).every((store) => snapshot[store] !== undefined),
  )
}

/**
 * Everything in the snapshot that may not be, past the bounds of `limits`; deterministic. The stores were read one after
 * the other, and some findings have no timestamp: only those that last count (`watchViolations`).
 */
export function findViolations(snapshot: InvariantSnapshot, limits: InvariantLimits): readonly Violation[] {
  const { pods, ledger, index } = snapshot
  const judged = ledger && judgeLedger(ledger, limits)
  return [
    ...(judged?.violations ?? []),
    ...(pods && judged ? judgePods(pods, judged.facts, limits) : []),
    ...(index ?? []).flatMap((pool) => judgeIndex(pool, limits)),
    ...(index && pods && judged ? judgeIndexedPods(index, pods, judged.facts) : []),
  ]
}

import { type BrokenInvariant, type InvariantKind, invariantKinds } from './broken-invariant.ts'
import { judgeIndex, judgeIndexedPods } from './index-invariants.ts'
import type { InvariantLimits } from './invariant-limits.ts'
import type { InvariantSnapshot } from './invariant-snapshot.ts'
import { judgeLedger } from './ledger-invariants.ts'
import { judgePods } from './pod-invariants.ts'

type Store = keyof InvariantSnapshot

/** The kinds that PostgreSQL alone cannot show, and the stores that they need. */
const stores: Partial<Record<InvariantKind, readonly Store[]>> = {
  'session-without-pod': ['pods', 'ledger'],
  'claimed-pod-without-session': ['pods', 'ledger'],
  'retired-pod-remains': ['pods', 'ledger'],
  'index-entry-without-pod': ['pods', 'ledger', 'index'],
  'slot-offered-twice': ['index'],
  'reservation-past-bound': ['index'],
}

/** The kinds that this snapshot can show. A store that was not read proves neither that one is broken nor that it holds. */
export function judgedKinds(snapshot: InvariantSnapshot): readonly InvariantKind[] {
  return invariantKinds.filter((kind) =>
    (stores[kind] ?? ['ledger']).every((store) => snapshot[store] !== undefined),
  )
}

/**
 * Finds every state in the snapshot that breaks an invariant, past the bounds of `limits`. Deterministic. The stores
 * were read one after the other, and some findings have no timestamp: only those that last count
 * (`confirmBrokenInvariants`).
 */
export function findBrokenInvariants(
  snapshot: InvariantSnapshot,
  limits: InvariantLimits,
): readonly BrokenInvariant[] {
  const { pods, ledger, index } = snapshot
  const judged = ledger && judgeLedger(ledger, limits)
  return [
    ...(judged?.broken ?? []),
    ...(pods && judged ? judgePods(pods, judged.facts, limits) : []),
    ...(index ?? []).flatMap((pool) => judgeIndex(pool, limits)),
    ...(index && pods && judged ? judgeIndexedPods(index, pods, judged.facts) : []),
  ]
}

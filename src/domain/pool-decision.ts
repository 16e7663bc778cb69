import { canonicalJson } from './canonical-json.ts'
import { nextTarget } from './sizing/next-target.ts'
import type { SizingBounds, SizingInput } from './sizing/sizing-input.ts'
import type { SizingSpec } from './sizing/sizing-spec.ts'
import type { SizingState } from './sizing/sizing-state.ts'
import type { SizingTerms } from './sizing/sizing-terms.ts'

/** One decision on the size of a pool, with all that it was made from. */
export interface PoolDecision {
  readonly agentType: string
  /** One time of leading. Decisions of one run follow each other by `step`. */
  readonly run: string
  readonly step: number
  /** Where a replay can begin: at the first step of a run, after a changed rule, and now and then. */
  readonly base?: { readonly spec: SizingSpec; readonly state?: SizingState }
  readonly bounds: SizingBounds
  readonly input: SizingInput
  readonly target: number
  readonly terms: SizingTerms
}

export interface Replay {
  /** Decisions that were made once more. */
  readonly replayed: number
  /** Decisions before the first base of their run, or behind a gap. */
  readonly skipped: number
  /** The first decision that came out differently. */
  readonly difference?: { readonly decision: PoolDecision; readonly found: SizingTerms }
}

interface Folding {
  readonly spec: SizingSpec
  readonly state: SizingState | undefined
  readonly step: number
}

/** Makes recorded decisions once more, from their inputs alone, and stops at the first that comes out differently. */
export function replayDecisions(decisions: readonly PoolDecision[]): Replay {
  const runs = new Map<string, Folding>()
  let replayed = 0
  let skipped = 0
  for (const decision of decisions) {
    const { agentType, run, step, base, bounds, input } = decision
    const key = `${agentType} ${run}`
    const before = runs.get(key)
    const from = base ?? (before?.step === step - 1 ? before : undefined)
    if (!from) {
      skipped += 1
      continue
    }
    const { spec } = from
    const { state, target, terms } = nextTarget({ spec, bounds, state: from.state, input })
    replayed += 1
    if (target !== decision.target || canonicalJson(terms) !== canonicalJson(decision.terms))
      return { replayed, skipped, difference: { decision, found: terms } }
    runs.set(key, { spec, state, step })
  }
  return { replayed, skipped }
}

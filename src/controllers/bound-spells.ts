import { explainTarget } from '../domain/sizing/explain-target.ts'
import type { SizingTerms, TargetBound } from '../domain/sizing/sizing-terms.ts'

interface BoundSpellsDeps {
  readonly report: (agentType: string, reason: string, message: string) => void
  /** Epoch ms. */
  readonly now: () => number
}

/** Limits that somebody may want to raise. */
const told: readonly TargetBound[] = ['max', 'quota', 'budget', 'maxIdle']
/** As long as a target is held before it shrinks: a bound that binds for less was a burst. */
const toldAfterMs = 10 * 60_000

/** Tells, once each time, that a limit keeps a pool below what its rule asks for. */
export function createBoundSpells({ report, now }: BoundSpellsDeps) {
  const spells = new Map<string, { readonly bound: TargetBound; readonly since: number; isTold: boolean }>()
  return {
    /** The limit that binds now, if it is one of these. */
    look(agentType: string, terms: SizingTerms): TargetBound | undefined {
      const bound = terms.boundBy
      if (bound === undefined || !told.includes(bound)) {
        spells.delete(agentType)
        return undefined
      }
      const known = spells.get(agentType)
      const spell = known?.bound === bound ? known : { bound, since: now(), isTold: false }
      spells.set(agentType, spell)
      if (!spell.isTold && now() - spell.since >= toldAfterMs) {
        spell.isTold = true
        report(agentType, 'PoolTargetBound', explainTarget(terms))
      }
      return bound
    },
    forget: (agentType: string): void => void spells.delete(agentType),
  }
}

import { canonicalJson } from '../domain/canonical-json.ts'
import type { PoolDecision } from '../domain/pool-decision.ts'
import type { SizingSpec } from '../domain/sizing/sizing-spec.ts'
import type { SizingState } from '../domain/sizing/sizing-state.ts'
import type { SizingLedger } from '../domain/sizing-ports.ts'

type NewDecision = Omit<PoolDecision, 'run' | 'step' | 'base'> & {
  readonly from: {
    readonly spec: SizingSpec
    readonly state?: SizingState
    /** The state is the one that the decision before led to. */
    readonly isNext: boolean
  }
}

/** A replay can begin at each of these, and the newest 10,000 decisions that are kept have ten of them. */
const stepsPerBase = 1_000
/** While PostgreSQL is away: some minutes of a busy pool. Beyond it the oldest go, and a replay has a gap there. */
const mostHeld = 5_000

/** Decisions on their way to PostgreSQL. Nobody waits for them; they are written together. */
export function createDecisionLog(ledger: Pick<SizingLedger, 'noteDecisions'>, newRun: () => string) {
  let run = newRun()
  let held: PoolDecision[] = []
  /** Per pool. */
  const steps = new Map<string, { step: number; specText: string }>()

  return {
    begin(): void {
      run = newRun()
      held = []
      steps.clear()
    },
    forget: (agentType: string): void => void steps.delete(agentType),

    add({ from, ...decision }: NewDecision): void {
      const { spec, state, isNext } = from
      const before = steps.get(decision.agentType)
      const specText = canonicalJson(spec)
      const step = (before?.step ?? -1) + 1
      const follows = isNext && before?.specText === specText && step % stepsPerBase !== 0
      steps.set(decision.agentType, { step, specText })
      held.push({
        ...decision,
        run,
        step,
        ...(!follows && { base: { spec, ...(state && { state }) } }),
      })
      if (held.length > mostHeld) held.splice(0, held.length - mostHeld)
    },

    async flush(): Promise<void> {
      const batch = held
      held = []
      try {
        await ledger.noteDecisions(batch)
      } catch (error) {
        held = [...batch, ...held].slice(-mostHeld)
        throw error
      }
    },
  }
}

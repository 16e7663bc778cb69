import type { PoolDecision } from '../../src/domain/pool-decision.ts'
import { nextTarget } from '../../src/domain/sizing/next-target.ts'
import type { SizingInput } from '../../src/domain/sizing/sizing-input.ts'
import type { SizingSpec } from '../../src/domain/sizing/sizing-spec.ts'
import type { SizingState } from '../../src/domain/sizing/sizing-state.ts'

/** What a pool with a growing load decides, a second apart, as the controller records it. */
export function recordedDecisions(
  count: number,
  spec: SizingSpec = { mode: 'apply', hitRate: { target: 0.99 } },
): PoolDecision[] {
  const bounds = { min: 1, max: 200 }
  let state: SizingState | undefined
  return Array.from({ length: count }, (_, step) => {
    const input: SizingInput = {
      now: Date.UTC(2026, 0, 5, 8) + step * 1_000,
      arrivals: 1 + Math.floor(step / 20),
      misses: step % 7 === 0 ? 1 : 0,
      starts: [6 + (step % 5) / 3],
      failing: false,
      oldestStartSeconds: 0.1 * step,
      claimed: Math.min(step, 30),
      ready: 4,
      starting: 2,
      waiting: 0,
    }
    const next = nextTarget({ spec, bounds, state, input })
    const base = step === 0 ? { base: { spec } } : {}
    state = next.state
    return {
      agentType: 'echo-agent',
      run: 'run-1',
      step,
      ...base,
      bounds,
      input,
      target: next.target,
      terms: next.terms,
    }
  })
}

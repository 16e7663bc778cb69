import type { PoolSpec } from '../domain/pool.ts'
import type { DesiredPool } from '../domain/pool-plan.ts'
import { rollStepOf } from '../domain/rollout-spec.ts'
import type { CanaryLook, RolloutLook } from './pool-rollouts.ts'
import type { PoolTarget } from './pool-targets.ts'

/** What the plan of one pool is to aim at: the document and the target put together, then what a roll-out changes. */

/** For a pool that was removed: idle pods drain, claimed ones stay. */
const unwanted: DesiredPool = { min: 0, cold: 0, max: 0, inFlight: 1, frozen: false }

export function desiredOf(
  spec: PoolSpec | undefined,
  target: PoolTarget | undefined,
  coldWaiting: number,
): DesiredPool {
  if (!spec || !target) return unwanted
  const { max, frozen, refill, coldStart } = spec
  // Cold opens wait in the common queue as well, so the two are not added.
  const cold = Math.max(target.owed, Math.min(coldWaiting, coldStart.max))
  return { min: target.min, cold, max, inFlight: refill.inFlight, frozen }
}

/** Canary pods come on top of those that are wanted. */
export function desiredIn(
  rollout: RolloutLook | undefined,
  sized: DesiredPool,
  { extra }: CanaryLook,
): DesiredPool {
  if (!rollout) return sized
  const rollStep = rollout.rolls ? rollStepOf(rollout.spec.rollout.maxUnavailable, sized.min) : 0
  return { ...sized, cold: sized.cold + extra, rollStep }
}

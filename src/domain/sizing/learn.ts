import { noteClaims } from './arrival-rate.ts'
import { noteCounts } from './dispersion.ts'
import { noteMisses } from './error-budget.ts'
import { growthStillStarting } from './growth-under-way.ts'
import { noteIdlePods } from './idle-budget.ts'
import { leadP99Seconds, meanLeadSeconds, noteStart } from './lead-times.ts'
import { notePastClaim, notePastTime } from './past-claims.ts'
import { noteSeason } from './season.ts'
import type { SizingInput } from './sizing-input.ts'
import type { SizingSpec } from './sizing-spec.ts'
import type { SizingState } from './sizing-state.ts'

/** Longest time without an input that counts as watched: the controller looks at each pool more often than that. */
const longestWatchedSeconds = 900

/** Most claims of one input that are judged one by one; more come together only after an outage. */
const mostJudged = 1_000

/** The goal by which fixed numbers and buffers are judged meanwhile, so that a change to `hitRate` finds a history. */
export const usualGoal = 0.999

/** Pods do not start as they used to: learning from now would be learning from the fault. */
export function isStartingBadly(
  state: SizingState,
  input: SizingInput,
): 'failing' | 'slowStarts' | undefined {
  if (input.failing) return 'failing'
  const stuck = input.oldestStartSeconds > 3 * leadP99Seconds(state.leads)
  // One stuck pod beside others that become Ready is that pod's own trouble.
  return stuck && input.starts.length === 0 ? 'slowStarts' : undefined
}

/** Takes in what happened since the last input. Changes `state`. */
export function learn(state: SizingState, input: SizingInput, spec: SizingSpec): void {
  const passed = Math.max(0, (input.now - state.at) / 1_000)
  const watched = Math.min(passed, longestWatchedSeconds)
  const isBad = isStartingBadly(state, input) !== undefined
  // Claims of a gap are spread over all of it; those of its watched end count.
  const arrivals = passed > watched ? Math.round((input.arrivals * watched) / passed) : input.arrivals
  noteClaims(state.rate, passed - watched, 0)
  noteClaims(state.rate, watched, arrivals)
  noteSeason(state.season, input.now, watched, arrivals)
  if (!isBad) for (const seconds of input.starts) noteStart(state.leads, seconds)
  noteCounts(state.dispersion, input.now, arrivals, meanLeadSeconds(state.leads))
  const budget = spec.hitRate?.budget
  if (budget) noteIdlePods(state.idle, state.ready, watched, budget.idlePodHoursPerDay)
  if (passed === watched && !isBad && !state.isClipped) judge(state, input, spec, passed)
  state.at = input.now
  state.ready = input.ready
}

/** Compares each claim with the pods that there were for it. */
function judge(state: SizingState, input: SizingInput, { hitRate, mode }: SizingSpec, elapsed: number): void {
  const missesAllowed = 1 - (hitRate?.target ?? usualGoal)
  notePastTime(state.past, state.base, elapsed)
  if (input.arrivals === 0) return
  const longest = 3 * leadP99Seconds(state.leads)
  const grown = growthStillStarting(state.growth, input.now, state.leads, longest)
  // Pods that an offset added are no need of the claim: had the offset been there before, they would be Ready.
  const growing = growthStillStarting(state.modelGrowth, input.now, state.leads, longest)
  const left = input.ready - input.waiting
  const count = Math.min(input.arrivals, mostJudged)
  for (let claim = 1; claim <= count; claim += 1) {
    const underWay = Math.max(0, state.target - (left + claim))
    const replacing = Math.max(0, underWay - grown)
    notePastClaim(state.past, { replacing, growing, base: state.base }, missesAllowed)
  }
  // Only the rule's own misses are its debt: under another rule the pool was another size.
  if (hitRate && mode === 'apply') {
    const { arrivals: claims, misses } = input
    noteMisses(state.errors, { claims, misses, missesAllowed, modelPods: state.base })
  }
}

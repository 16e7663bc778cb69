import type { SizingTerms, TargetBound } from './sizing-terms.ts'

/** One sentence that says where the target comes from, with the numbers that decided it. */
export function explainTarget(terms: SizingTerms): string {
  const { boundBy, target } = terms
  const limit = boundBy && limitWords[boundBy]
  const words = [ruleWords[terms.rule](terms), ...(limit ? [limit(terms)] : [])]
  return `${target} idle ${target === 1 ? 'pod' : 'pods'}: ${words.join('; ')}.`
}

const ruleWords: Readonly<Record<SizingTerms['rule'], (terms: SizingTerms) => string>> = {
  fixed: ({ quantile }) => `the fixed number of this pool is ${quantile}`,
  buffer: ({ quantile }) => `the buffer beside the claimed pods is ${quantile}`,
  hitRate: hitRateWords,
}

function hitRateWords(terms: SizingTerms): string {
  const { goal = 0, claimsPerSecond, leadMeanSeconds, quantile, season, hold, feedback } = terms
  const words = [
    `${figure(claimsPerSecond)} claims/s x ${figure(leadMeanSeconds)} s to start = ${figure(terms.inFlight)} pods under way`,
    `${percent(goal)} of opens need ${quantile}`,
  ]
  if (season > quantile) words.push(`this time of day needed ${season} on earlier days`)
  if (hold > Math.max(quantile, season)) words.push(`the last two minutes needed ${hold}`)
  if (feedback > 0) words.push(`${figure(feedback)} more because past claims needed more`)
  if (feedback < 0) words.push(`${figure(-feedback)} fewer because past claims needed fewer`)
  return words.join('; ')
}

/** Season and hold are told with the rule. */
const limitWords: Readonly<Partial<Record<TargetBound, (terms: SizingTerms) => string>>> = {
  min: ({ min }) => `min asks for ${min}`,
  schedule: ({ schedule, window }) => `the window "${window ?? ''}" asks for ${schedule}`,
  maxIdle: ({ maxIdle = 0 }) => `maxIdle allows ${maxIdle}`,
  budget: ({ budget = 0 }) => `the budget of idle pod-hours allows ${budget} now`,
  max: ({ room }) => `max leaves room for ${room} beside the claimed pods`,
  quota: ({ room }) => `the quota leaves room for ${room} beside the claimed pods`,
  failing: () => 'the target does not grow while pods fail to start',
  slowStarts: ({ leadP99Seconds }) =>
    `the target does not grow while a pod takes longer than three times ${figure(leadP99Seconds)} s to start`,
}

function figure(value: number): string {
  return Number(value.toPrecision(3)).toString()
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(6))} %`
}

import t from 'tap'
import { createStartCauses } from '../../src/controllers/start-causes.ts'
import { createTargetGauges } from '../../src/controllers/target-gauges.ts'
import type { SizingTerms } from '../../src/domain/sizing/sizing-terms.ts'
import { createMetrics } from '../../src/metrics.ts'

const terms: SizingTerms = {
  rule: 'hitRate',
  goal: 0.99,
  claimsPerSecond: 1.5,
  dispersion: 1,
  leadMeanSeconds: 4,
  leadP99Seconds: 9,
  inFlight: 6,
  quantile: 8,
  season: 0,
  feedback: 1,
  schedule: 0,
  hold: 9,
  min: 2,
  room: 20,
  target: 9,
}

async function seriesOf(metrics: ReturnType<typeof createMetrics>) {
  const text = await metrics.registry.metrics()
  return text.split('\n').filter((line) => /^greenroom_pool_(target|recommended|demand|hit)/.test(line))
}

void t.test('a pool tells its target, what it came from, and what it promises', async (t) => {
  const metrics = createMetrics()
  const gauges = createTargetGauges(metrics)
  gauges.show('a', { min: 9, recommended: undefined, terms })
  const shown = await seriesOf(metrics)
  for (const line of [
    'greenroom_pool_target{agent_type="a"} 9',
    'greenroom_pool_demand_per_second{agent_type="a"} 1.5',
    'greenroom_pool_hit_rate_goal_ratio{agent_type="a"} 0.99',
    'greenroom_pool_target_terms{agent_type="a",term="quantile"} 8',
    'greenroom_pool_target_terms{agent_type="a",term="feedback"} 1',
  ])
    t.ok(shown.includes(line), line)
  t.notMatch(shown.join('\n'), /maxIdle|budget|recommended/, 'terms that do not bind')

  const { goal: _goal, ...fixed } = terms
  gauges.show('a', { min: 2, recommended: 9, terms: { ...fixed, rule: 'fixed', maxIdle: 4 } })
  const then = (await seriesOf(metrics)).join('\n')
  t.match(then, 'greenroom_pool_recommended{agent_type="a"} 9')
  t.match(then, 'greenroom_pool_target_terms{agent_type="a",term="maxIdle"} 4')
  t.notMatch(then, 'goal', 'a rule without a promise')
})

void t.test('nothing is left of a pool that is gone, nor of a leader that leads no more', async (t) => {
  const metrics = createMetrics()
  const gauges = createTargetGauges(metrics)
  gauges.show('a', { min: 9, recommended: 3, terms })
  gauges.show('b', { min: 1, recommended: undefined, terms })
  gauges.forget('a')
  const left = (await seriesOf(metrics)).join('\n')
  t.notMatch(left, '"a"')
  t.match(left, 'greenroom_pool_target{agent_type="b"} 1')
  gauges.end()
  t.same(await seriesOf(metrics), [])
})

void t.test('the cause of a start is known once, for an hour, and only of pods made here', async (t) => {
  let now = 0
  const causes = createStartCauses(() => now)
  causes.note('a', 'waiting')
  causes.note('b', 'canary')
  t.equal(causes.take('a'), 'waiting')
  t.equal(causes.take('a'), 'unknown')
  t.equal(causes.take('of an earlier leader'), 'unknown')
  now = 3_600_000
  t.equal(causes.take('b'), 'unknown')
})

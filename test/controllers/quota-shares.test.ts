import t from 'tap'
import type { Quota } from '../../src/domain/quota.ts'
import { agentType, poolsOf } from './controller-bed.ts'
import { type PoolBed, startPoolServers } from './pool-bed.ts'

const { bedFor } = await startPoolServers(t)

/** limits.cpu of the namespace; an agent takes 1, and others take what is given. */
function limitsCpu(hard: number, { pods }: PoolBed, others = 0): Quota {
  const limits = { 'limits.cpu': String(hard) }
  return {
    name: 'ai-agents-quota',
    hard: limits,
    enforced: { hard: limits, used: { 'limits.cpu': String(pods.real.size + others) } },
    scopes: [],
  }
}

/** Reconciles until nothing is written any more, while `used` of the quota follows as the API server keeps it. */
async function settle(bed: PoolBed, hard: number, others = 0): Promise<void> {
  for (let writes = -1; writes !== bed.pods.writes.length; ) {
    writes = bed.pods.writes.length
    bed.quotas.current = [limitsCpu(hard, bed, others)]
    await bed.reconcile()
    bed.pods.ready()
    bed.pods.reap()
    bed.advance(4_000)
  }
  bed.quotas.current = [limitsCpu(hard, bed, others)]
  await bed.reconcile()
}

void t.test('a quota binds before any create is refused, and the pods of others count', async (t) => {
  const bed = await bedFor(t, { min: 20, max: 30 })
  await settle(bed, 20, 4)
  t.equal(bed.pods.of('create').length, 16)
  const notice = bed.notices.get(agentType)
  t.match(notice, {
    boundBy: 'quota',
    message: 'quota ai-agents-quota: limits.cpu allows 16',
    problem: { cause: 'quota', count: 1, remedy: /ResourceQuota/ },
    quotaPods: 16,
  })
  t.match(await bed.metrics.registry.metrics(), /greenroom_pool_quota_pods\{agent_type="echo-agent"\} 16/)
  t.same(
    bed.reports.filter((report) => report.startsWith('QuotaNear')),
    [
      'QuotaNear: ResourceQuota ai-agents-quota is nearly used up: limits.cpu allows 16 pods, and there are 16',
    ],
    'one Event',
  )
  t.same(bed.poolReconciler.ease(['quota']), [agentType], 'more room concerns this pool')

  await settle(bed, 22, 4)
  t.equal(bed.pods.of('create').length, 18)
  await settle(bed, 40, 4)
  t.equal(bed.pods.of('create').length, 20)
  t.match(bed.notices.get(agentType), {
    boundBy: undefined,
    message: undefined,
    problem: undefined,
    quotaPods: 36,
  })
  t.same(bed.poolReconciler.ease(['quota']), [])
  await settle(bed, 24, 4)
  t.equal(
    bed.reports.filter((report) => report.startsWith('QuotaNear')).length,
    2,
    'and one of the next time',
  )
})

void t.test('a quota that nobody knows binds nothing', async (t) => {
  const bed = await bedFor(t, { min: 3, max: 10 })
  await bed.settle()
  t.equal(bed.pods.of('create').length, 3)
  t.match(bed.notices.get(agentType), { boundBy: undefined, quotaPods: undefined })
})

void t.test('creates that the quota does not show yet are counted', async (t) => {
  const bed = await bedFor(t, { min: 20, max: 30 })
  bed.quotas.current = [limitsCpu(5, bed)]
  // The informer shows the pods at once, the quota shows none: without the count five more would be asked for.
  for (let look = 0; look < 4; look += 1) {
    await bed.reconcile()
    bed.pods.ready()
  }
  t.equal(bed.pods.of('create').length, 5)
  t.match(bed.notices.get(agentType)?.message, /allows 5$/, 'and the last certain number is told')
})

void t.test('a lowered quota keeps min', async (t) => {
  const bed = await bedFor(t, { min: 4, max: 10 })
  await settle(bed, 10)
  await settle(bed, 2)
  t.equal(bed.pods.of('delete').length, 0)
  t.match(bed.notices.get(agentType), { quotaPods: 4 })
  bed.setPools(poolsOf({ min: 5, max: 10 }))
  await settle(bed, 2)
  t.match(bed.notices.get(agentType), { boundBy: 'quota', message: /limits\.cpu allows 4/ })
})

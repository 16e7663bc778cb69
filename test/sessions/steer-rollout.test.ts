import t from 'tap'
import { checkPools, type PoolSpec } from '../../src/domain/pool.ts'
import type { PoolRevision } from '../../src/domain/pool-revision.ts'
import type { PodClaim } from '../../src/domain/slot.ts'
import { templateHash } from '../../src/domain/slot-pod.ts'
import { createSteerRollout } from '../../src/sessions/steer-rollout.ts'
import { agentPod, podClaim } from '../domain/slot-views.ts'
import { memoryRevisions, poolRevision } from '../support/memory-revisions.ts'
import { someActor } from '../support/some-actor.ts'

const agentType = 'echo-agent'
const specOf = (image: string, rollout: object = {}): PoolSpec => {
  const checked = checkPools(
    JSON.stringify({ pools: { [agentType]: { template: { image }, min: 2, max: 9, rollout } } }),
  )
  if (!checked.ok) throw new Error(checked.problems.join())
  return checked.value.pools[agentType] as PoolSpec
}
const revisionOf = (image: string, more: Partial<PoolRevision> = {}) =>
  poolRevision(image, { templateHash: templateHash(agentType, specOf(image)), ...more })

function bed(revisions: readonly PoolRevision[], spec = specOf('new')) {
  const { port, orders } = memoryRevisions(revisions)
  const [fresh, old] = [templateHash(agentType, specOf('new')), templateHash(agentType, specOf('old'))]
  const pods = [
    agentPod('a', { readySince: 1, templateHash: fresh }),
    agentPod('b', { readySince: 1, templateHash: old }),
    agentPod('c', { readySince: 1, templateHash: old }),
  ]
  const claims = new Map<string, PodClaim>([['c', podClaim('c')]])
  const steer = createSteerRollout({
    pools: { current: () => ({ pools: { [agentType]: spec } }) },
    pods: { byPool: () => pods },
    ledger: { claimsOf: async () => claims },
    revisions: port,
    clock: () => 1_000_000,
  })
  return { steer, orders, old, fresh }
}

const [now, before] = [revisionOf('new', { currentSince: 9 }), revisionOf('old', { currentSince: 1 })]

void t.test('what is there, what goes on, and why', async (t) => {
  t.match(await bed([now, before]).steer.read(agentType), {
    phase: 'rolling',
    current: { image: 'new', verdict: 'good' },
    target: { image: 'new' },
    pods: { fresh: { idle: 1, claimed: 0 }, drifted: { idle: 1, claimed: 1 } },
    revisions: [{ image: 'new' }, { image: 'old' }],
  })
  const trial = [{ ...now, verdict: 'trial' as const }, before]
  const canary = specOf('new', { canary: { pods: 2, seconds: 60 } })
  t.match(await bed(trial, canary).steer.read(agentType), {
    phase: 'canary',
    target: { image: 'old' },
    canary: { pods: 2, seconds: 60, passed: 1 },
  })
  const failed = [{ ...now, verdict: 'failed' as const, reason: 'crash: it ended' }, before]
  t.match(await bed(failed, canary).steer.read(agentType), {
    phase: 'stopped',
    message: /The canary failed: crash: it ended\./,
    current: { reason: 'crash: it ended' },
    target: { image: 'old' },
  })
  t.match(await bed([before, now]).steer.read(agentType), { message: /has not seen the changed document/ })
})

void t.test('undo pins the last good template; once it is not there, that is said', async (t) => {
  const failed = revisionOf('third', { verdict: 'failed', currentSince: 5 })
  const { steer, orders, old, fresh } = bed([now, failed, before])
  t.match(await steer.undo(agentType, someActor), { phase: 'undone', target: { image: 'old' } })
  t.same(orders, [{ kind: 'undo', undoneHash: fresh, pinnedHash: old }])
  t.match(await steer.resume(agentType, someActor), { phase: 'rolling' })
  t.match(await steer.pause(agentType, someActor), { phase: 'paused' })
  await t.rejects(bed([now]).steer.undo(agentType, someActor), { code: 'GRN_NOTHING_TO_UNDO' })
})

void t.test('no pool, and a controller that has not looked yet', async (t) => {
  const { steer } = bed([])
  await t.rejects(steer.read(agentType), { code: 'GRN_ROLLOUT_UNKNOWN' })
  for (const order of ['read', 'pause', 'resume', 'undo'] as const)
    await t.rejects(steer[order]('constructor', someActor), { code: 'GRN_UNKNOWN_AGENT_TYPE' })
})

import t from 'tap'
import { createPoolRoom } from '../../src/controllers/pool-room.ts'
import { createQuotaShares } from '../../src/controllers/quota-shares.ts'
import { noResources } from '../../src/domain/pod-resources.ts'
import { observePool } from '../../src/domain/pool-observation.ts'
import type { PendingPod } from '../../src/domain/yield-pods.ts'
import { createMetrics } from '../../src/metrics.ts'
import { keptLog } from '../support/kept-log.ts'
import { poolsOf } from './controller-bed.ts'

const observed = observePool({
  agentType: 'echo-agent',
  pods: [],
  claims: new Map(),
  templateHash: undefined,
})

function room(pending: readonly PendingPod[]) {
  let time = 1_000_000
  const now = () => (time += 2_000)
  const sizeOf = () => ({
    size: { requests: { cpu: 10n ** 8n }, limits: {} },
    idleRequests: { cpu: 10n ** 8n },
    owed: noResources,
    priorityClassName: undefined,
  })
  const { logger, lines } = keptLog()
  const quotaShares = createQuotaShares({
    quotas: () => [],
    sizeOf,
    report: () => {},
    metrics: createMetrics(),
    now,
  })
  const made = createPoolRoom({ quotaShares, sizeOf, pending: () => pending, logger, now })
  const take = (settings: object, min: number, looks = 20) => {
    const spec = poolsOf({ min: 2, max: 20, ...settings }).pools['echo-agent']
    const desired = { min, cold: 1, max: 20, inFlight: 20, frozen: false }
    const wanted = { spec, observed, pendingCreates: 0, desired, isTargetCut: false }
    return Array.from({ length: looks }, () => made.take('echo-agent', wanted)).at(-1)
  }
  return { take, lines, made }
}

const waits: PendingPod = { uid: 'u', name: 'build-1', requests: { cpu: 3n * 10n ** 8n } }

void t.test('yieldTo: pending gives up idle pods beyond min', async (t) => {
  const { take, lines, made } = room([waits])
  t.match(take({ yieldTo: 'pending' }, 9), {
    desired: { min: 6, cold: 1 },
    yielded: 3,
    boundBy: 'yield',
    isCut: false,
  })
  t.ok(made.isBound('echo-agent'))
  t.match(lines.join('\n'), /"pending":\["build-1"\].*idle pods make room for pods of others/)
  t.match(take({ yieldTo: 'pending' }, 2), { desired: { min: 2 } }, 'min stays')
  t.match(take({}, 9), { desired: { min: 9 }, yielded: undefined, boundBy: undefined })
})

void t.test('nobody waits, or nobody yields', async (t) => {
  t.match(room([]).take({ yieldTo: 'pending' }, 9), { desired: { min: 9 }, yielded: undefined })
  t.match(room([waits]).take({ yieldTo: 'pending', frozen: true }, 9), { yielded: undefined })
  t.match(room([waits]).take({ yieldTo: 'nobody' }, 9), { desired: { min: 9 }, yielded: undefined })
})

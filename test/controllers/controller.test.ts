import t from 'tap'
import { announceEndings, createController } from '../../src/controllers/controller.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createRedisSlotIndex } from '../../src/stores/redis-slot-index.ts'
import { redisFor, silent, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { until } from '../support/until.ts'
import { agentType, controllerBed, poolsOf } from './controller-bed.ts'

const database = await startDatabase(t)
const redis = await redisFor(t, (await startIndexServer(t)).url)

async function leadingBed(t: Parameters<typeof controllerBed>[0]) {
  const index = createRedisSlotIndex({
    redis,
    logger: silent,
    metrics: createMetrics(),
    now: () => performance.now(),
  })
  const bed = await controllerBed(t, { database, index, pools: poolsOf({ min: 2, max: 10 }) })
  const stop = new AbortController()
  const led = createController({ ...bed, pods: bed.pods.view })(stop.signal)
  t.teardown(async () => {
    stop.abort()
    await led
  })
  await until('the pool is filled', () => bed.pods.of('create').length === 2)
  bed.pods.ready()
  return { ...bed, stop, led }
}

/** Those of pg's idle connections are among them and stay. */
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

void t.test('leads: claim → refill, ending → deletion → ENDED, changed pools → at once', async (t) => {
  const bed = await leadingBed(t)
  t.match(await bed.metrics.registry.metrics(), /greenroom_leader 1/)
  const id = await bed.claim('uid-1')
  bed.wakes.publish({ kind: 'claimed', agentType })
  await until('refill', () => bed.pods.of('create').length === 3, 1_500)
  await until('label', () => bed.pods.of('label').includes('uid-1'), 1_500)
  await bed.sessions.beginEnding(id, 'ended:caller')
  announceEndings(bed.wakes)([id])
  await until('deletion', () => bed.pods.of('delete').includes('uid-1'), 900)
  bed.pods.reap()
  await until('ENDED', async () => (await bed.session(id)).status === 'ENDED', 900)
  bed.setPools(poolsOf({ min: 4, max: 10 }))
  await until('the larger pool', () => bed.pods.of('create').length === 5, 1_500)
})

void t.test('what no event told is found by the sweeps', async (t) => {
  const bed = await leadingBed(t)
  const [lapsed, vanished] = [await bed.claim('uid-1'), await bed.claim('uid-2')]
  await bed.postgres.durable.query(
    `UPDATE sessions SET lease_expires_at = now() - interval '1 s' WHERE id = $1`,
    [lapsed],
  )
  await until(
    'lapsed within 2 s',
    async () => (await bed.session(lapsed)).endReason === 'lapsed:lease',
    2_000,
  )
  await until('its pod is deleted', () => bed.pods.of('delete').includes('uid-1'), 2_000)
  bed.pods.lag()
  bed.pods.vanish('uid-2')
  bed.pods.catchUp({ events: false })
  await until('vanished pod', async () => (await bed.session(vanished)).endReason === 'pod:deleted', 7_000)
})

void t.test(
  'a pod that is gone ends its session by the event; one that is read to be there does not',
  async (t) => {
    const bed = await leadingBed(t)
    const [gone, kept] = [await bed.claim('uid-1'), await bed.claim('uid-2')]
    const pod = bed.pods.real.get('uid-2')
    bed.pods.vanish('uid-2')
    if (pod) bed.pods.real.set('uid-2', pod)
    bed.pods.vanish('uid-1')
    await until('gone', async () => (await bed.session(gone)).endReason === 'pod:deleted', 2_000)
    const reads = bed.pods.reads()
    await until('the sweep has read again', () => bed.pods.reads() > reads, 7_000)
    t.equal((await bed.session(kept)).status, 'ACTIVE')
  },
)

void t.test('a slow confirming read that is asked for again keeps its name', async (t) => {
  const bed = await leadingBed(t)
  const id = await bed.claim('uid-1')
  const pod = bed.pods.real.get('uid-1')
  const names: string[] = []
  const slow = Promise.withResolvers<void>()
  bed.pods.writer.exists = async ({ name }) => {
    names.push(name)
    if (names.length === 1) await slow.promise
    return name === 'name-uid-1'
  }
  bed.pods.vanish('uid-1')
  await until('first read', () => names.length === 1)
  if (pod) bed.pods.put(pod)
  bed.pods.vanish('uid-1')
  slow.resolve()
  await until('second read', () => names.length === 2)
  t.strictSame(names, ['name-uid-1', 'name-uid-1'])
  t.equal((await bed.session(id)).status, 'ACTIVE')
})

void t.test('stops cleanly: no listener, no timer, no longer the leader', async (t) => {
  const bed = await leadingBed(t)
  t.equal(bed.listeners(), 3)
  bed.pods.refuse('create', { error: new Error('something else') })
  await bed.claim('uid-1')
  bed.wakes.publish({ kind: 'claimed', agentType })
  await until('a retry is waiting', () => bed.lines.some((line) => line.includes('run failed')))
  const leading = timers()
  bed.stop.abort()
  await bed.led
  await until('its three loops and the retry have no timer', () => timers() <= leading - 4)
  t.equal(bed.listeners(), 0)
  t.match(await bed.metrics.registry.metrics(), /greenroom_leader 0/)
  t.match(
    await bed.metrics.registry.metrics(),
    /greenroom_reconciles_total\{controller="pools",result="error"\} [1-9]/,
  )
  const writes = bed.pods.writes.length
  bed.wakes.publish({ kind: 'claimed', agentType })
  await bed.ledger.claimsOf([])
  t.equal(bed.pods.writes.length, writes)
})

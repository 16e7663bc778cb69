import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { announceEndings, createController } from '../../src/controllers/controller.ts'
import { PodWriteError } from '../../src/domain/pod-write-error.ts'
import { indexOn, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { newPod } from '../support/fake-pod-view.ts'
import { agentType, controllerBed, poolsOf } from './controller-bed.ts'

const database = await startDatabase(t)
const redis = await redisFor(t, (await startIndexServer(t)).url)

async function leadingBed(t: Parameters<typeof controllerBed>[0]) {
  const index = indexOn(redis)
  const bed = await controllerBed(t, { database, index, pools: poolsOf({ min: 2, max: 10 }) })
  const stop = new AbortController()
  const led = createController({ ...bed, pods: bed.pods.view, retention: async () => {} })(stop.signal)
  t.teardown(async () => {
    stop.abort()
    await led
  })
  await until('the pod that tries the template', () => bed.pods.of('create').length === 1)
  bed.pods.ready()
  await until('the pool is filled', () => bed.pods.of('create').length === 2)
  // A claim of a test notes its pod too, and must not come before the controller's own note of the same pod.
  const noted = () => bed.poolPodLedger.noted(bed.pods.of('create'))
  await until('and noted', async () => (await noted()).length === 2)
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

void t.test('what may cure a refusal wakes the pool, and the pools in force are tried', async (t) => {
  const bed = await leadingBed(t)
  await until('tried at the start', () => bed.pods.trials.length === 1, 3_000)
  bed.pods.refuse('create', new PodWriteError('quota', 'exceeded quota', { answered: true }))
  bed.setPools(poolsOf({ min: 4, max: 10 }))
  await until('refused', () => bed.notices.get(agentType)?.problem?.cause === 'quota')
  bed.pods.refuse('create', undefined)
  bed.reliefs.tell('quota')
  await until('made', () => bed.pods.of('create').length > 2, 900)

  const tooLarge = new PodWriteError('limit-range', 'maximum cpu usage', { answered: true })
  bed.pods.trialRefusals.set(agentType, tooLarge)
  bed.reliefs.tell('limit-range')
  await until('tried', () => bed.pods.trials.length === 2, 3_000)
  await until('told', () => bed.notices.get(agentType)?.problem?.cause === 'limit-range', 5_000)
  bed.reliefs.tell('policy')
  await until('told on the policy', () => bed.reports.some((report) => report.startsWith('row: ')), 3_000)
  bed.pods.trialRefusals.clear()
  bed.reliefs.tell('limit-range')
  await until('over', () => bed.notices.get(agentType)?.problem === undefined, 5_000)
})

void t.test('what no event told is found by the sweeps', async (t) => {
  const bed = await leadingBed(t)
  const [lapsed, vanished] = [await bed.claim('uid-1'), await bed.claim('uid-2')]
  // As if API replicas had taken renewals all the time.
  await bed.postgres.durable.query(
    "UPDATE renewal_service SET alive_at = now() + interval '1 hour', gap_ended_at = '-infinity'",
  )
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

void t.test('a node with all its pods goes: every session ends within 10 s, without an alarm', async (t) => {
  const bed = await leadingBed(t)
  const count = 100
  const uids = Array.from({ length: count }, (_, n) => `node-${n}`)
  // Claimed first: a hundred idle pods would be surplus to the pool.
  const ids = await Promise.all(uids.map((uid) => bed.claim(uid)))
  for (const uid of uids) bed.pods.put(newPod({ uid, readySince: 1, ip: '127.1.2.3' }))
  const begun = performance.now()
  for (const uid of uids) bed.pods.change(uid, { nodeLost: true, deadReason: 'pod phase Failed' })
  for (const uid of uids) bed.pods.vanish(uid)
  await until('all have ended', () => bed.ended.length >= count, 10_000)
  t.comment(`${count} sessions ended within ${Math.round(performance.now() - begun)} ms`)
  t.match(await bed.session(ids[0] ?? ''), { endReason: 'pod:node-lost' })
  t.same([...bed.ended].sort(), [...ids].sort(), 'each once')
  t.match(await bed.metrics.registry.metrics(), /greenroom_absence_frozen\{what="pods"\} 0/)
})

void t.test('a create that hangs keeps no dead pod’s session alive', async (t) => {
  const bed = await leadingBed(t)
  const hanging = Promise.withResolvers<never>()
  bed.pods.writer.create = () => hanging.promise
  t.teardown(() => hanging.reject(new PodWriteError('api', 'given up', { answered: false })))
  const id = await bed.claim('uid-1')
  bed.wakes.publish({ kind: 'claimed', agentType })
  await until('the pool is busy', () => bed.pods.of('label').includes('uid-1'))
  bed.pods.change('uid-1', { deadReason: 'agent container ended', readySince: undefined })
  await until('its end', async () => (await bed.session(id)).endReason === 'pod:died', 2_000)
})

void t.test('an empty re-list is looked at at once, and ends nothing', async (t) => {
  const bed = await leadingBed(t)
  const id = await bed.claim('uid-1')
  const reads = bed.pods.reads()
  bed.pods.listNothing()
  await until('the confirming read', () => bed.pods.reads() > reads, 2_000)
  t.equal((await bed.session(id)).status, 'ACTIVE')
})

void t.test(
  'the agent of a failed attempt is asked to leave, and LiveKit down holds up nothing',
  async (t) => {
    const bed = await leadingBed(t)
    bed.rooms.answer = () => Promise.reject(new Error('fetch failed'))
    const id = await bed.claim('uid-1', 'PENDING')
    const { room } = await bed.session(id)
    await bed.sessions.failOpen(await bed.session(id), 'failed:delivery', {
      kind: 'retire',
      reason: 'unreachable',
    })
    bed.wakes.publish({ kind: 'claimed', agentType })
    await until('it was asked', () => bed.removed.length >= 2)
    t.equal(bed.removed[0], `${room} agent-${id}-1`)
    await until('the pod goes', () => bed.pods.of('delete').includes('uid-1'))
    await until('the pool is filled', () => bed.pods.of('create').length === 3)
    bed.rooms.answer = async () => true
    await until('it was removed', () => bed.lines.some((line) => line.includes('was removed from the room')))
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
  t.equal(bed.listeners(), 5, 'followers too keep the record of what went and of what could not be resized')
  bed.pods.refuse('create', { error: new Error('something else') })
  await bed.claim('uid-1')
  bed.wakes.publish({ kind: 'claimed', agentType })
  await until('a retry is waiting', () => bed.lines.some((line) => line.includes('run failed')))
  const leading = timers()
  bed.stop.abort()
  await bed.led
  await until('its three loops and the retry have no timer', () => timers() <= leading - 4)
  t.equal(bed.listeners(), 2)
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

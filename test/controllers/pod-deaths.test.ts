import t from 'tap'
import { pendingGraceMs } from '../../src/controllers/pending-grace.ts'
import type { AgentPod } from '../../src/domain/agent-pod.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { indexOn, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { agentType, type ControllerBed, controllerBed, poolsOf } from './controller-bed.ts'

/** Every way a pod dies, seen as a state that is looked at and as an event: the pod serves nobody, its session ends. */

const database = await startDatabase(t)
const redis = await redisFor(t, (await startIndexServer(t)).url)

async function bedOf(t: Parameters<typeof controllerBed>[0], min = 1): Promise<ControllerBed> {
  await redis.flushall()
  const index = indexOn(redis)
  const bed = await controllerBed(t, { database, index, pools: poolsOf({ min, max: 10 }) })
  await bed.settle()
  return bed
}

function podOf(bed: ControllerBed, uid: string): AgentPod {
  const pod = bed.pods.real.get(uid)
  if (!pod) throw new Error(`no pod ${uid}`)
  return pod
}

interface Death {
  readonly what: string
  readonly change: (bed: ControllerBed) => Partial<AgentPod>
  readonly reason: string | undefined
  /** Whether an idle pod in this state may be handed out. */
  readonly servable?: boolean
}

const deaths: readonly Death[] = [
  {
    what: 'the agent crashed',
    change: () => ({ deadReason: 'agent container ended: Error (exit code 137)', readySince: undefined }),
    reason: 'pod:died',
  },
  {
    what: 'finished early',
    change: () => ({ deadReason: 'agent container ended: Completed (exit code 0)', readySince: undefined }),
    reason: 'pod:died',
  },
  {
    what: 'container restarted',
    change: () => ({ deadReason: 'agent container was replaced' }),
    reason: 'pod:died',
  },
  {
    what: 'deleted by hand',
    change: (bed) => ({ deletingSince: bed.now() + 30_000 }),
    reason: 'pod:deleted',
  },
  {
    what: 'deleted by the taint manager',
    change: (bed) => ({ deletingSince: bed.now() + 30_000, nodeLost: true }),
    reason: 'pod:node-lost',
  },
  {
    what: 'its node silent for too long',
    change: (bed) => ({ readySince: undefined, unreachableSince: bed.now() - 300_000 }),
    reason: 'pod:node-lost',
  },
  {
    what: 'its node silent for a while',
    change: (bed) => ({ readySince: undefined, unreachableSince: bed.now() - 299_000 }),
    reason: undefined,
  },
  { what: 'a probe failed', change: () => ({ readySince: undefined }), reason: undefined },
  {
    what: 'another image cannot be pulled',
    change: () => ({ trouble: { cause: 'image', message: 'ErrImagePull' } }),
    reason: undefined,
    servable: true,
  },
]

for (const { what, change, reason, servable } of deaths) {
  void t.test(`claimed: ${what} → ${reason ?? 'goes on'}`, async (t) => {
    const bed = await bedOf(t)
    const id = await bed.claim('uid-1')
    bed.pods.change('uid-1', change(bed))
    await bed.reconcile()
    if (reason) {
      t.match(await bed.session(id), { status: 'ENDING', endReason: reason })
      t.strictSame(bed.ended, [id])
      await bed.reconcile()
      t.strictSame(bed.ended, [id], 'told once')
    } else {
      t.equal((await bed.session(id)).status, 'ACTIVE')
    }
    t.strictSame(bed.pods.of('delete'), [], 'the pod of a session is the session reconciler’s to delete')
  })

  void t.test(`idle: ${what} → ${servable ? 'stays' : 'never handed out'}`, async (t) => {
    const bed = await bedOf(t)
    bed.pods.change('uid-1', change(bed))
    await bed.reconcile()
    const offered = await redis.zrange(poolKeys(agentType).ready, '0', '-1')
    t.equal(offered.includes('uid-1'), servable === true)
    const gone = reason !== undefined && !what.startsWith('deleted')
    t.strictSame(bed.pods.of('delete'), gone ? ['uid-1'] : [], 'what is dead for good is deleted')
  })
}

void t.test('one failed probe ends nothing: unready, then ready again', async (t) => {
  const bed = await bedOf(t)
  const id = await bed.claim('uid-1')
  for (const readySince of [undefined, bed.now(), undefined, bed.now()]) {
    bed.pods.change('uid-1', { readySince })
    await bed.reconcile()
    bed.advance(60_000)
  }
  t.equal((await bed.session(id)).status, 'ACTIVE')
})

void t.test('PENDING: the replica that delivers has its time, then the open has failed', async (t) => {
  const bed = await bedOf(t)
  const id = await bed.claim('uid-1', 'PENDING')
  bed.pods.change('uid-1', { deadReason: 'agent container ended', readySince: undefined })
  await bed.reconcile()
  t.equal((await bed.session(id)).status, 'PENDING', 'the replica may be going on to the next pod')
  bed.advance(pendingGraceMs)
  await bed.reconcile()
  t.match(await bed.session(id), { status: 'ENDING', endReason: 'failed:delivery' })
})

void t.test('events: a death is queued once, by the name of its pod', async (t) => {
  const bed = await bedOf(t)
  const id = await bed.claim('uid-1')
  const keys: string[] = []
  bed.pods.view.onChange((change) => {
    const uid = bed.podDeaths.deathIn(change)
    if (uid) keys.push(uid)
  })
  bed.pods.change('uid-1', { readySince: undefined })
  t.strictSame(keys, [])
  bed.pods.change('uid-1', { deadReason: 'agent container ended' })
  bed.pods.change('uid-1', { deadReason: 'agent container ended', trouble: { cause: 'crash', message: 'x' } })
  t.strictSame(keys, ['uid-1'])
  t.equal(await bed.podDeaths.reconcile(keys[0] ?? ''), undefined)
  t.match(await bed.session(id), { status: 'ENDING', endReason: 'pod:died' })
  t.strictSame(bed.ended, [id])
  await bed.podDeaths.reconcile(keys[0] ?? '')
  t.strictSame(bed.ended, [id])
})

void t.test(
  'events: deleted at once (--force) → pod:deleted; a DELETED event of a pod that is there → nothing',
  async (t) => {
    const bed = await bedOf(t, 2)
    const [forced, relabelled] = [await bed.claim('uid-1'), await bed.claim('uid-2')]
    bed.podDeaths.deathIn({ pod: podOf(bed, 'uid-2'), gone: true })
    await bed.podDeaths.reconcile('uid-2')
    t.equal((await bed.session(relabelled)).status, 'ACTIVE', 'the pool’s label was taken off it')
    bed.pods.view.onChange((change) => void bed.podDeaths.deathIn(change))
    bed.pods.vanish('uid-1')
    t.equal(bed.podDeaths.evidenceOf('uid-1'), 'pod:deleted')
    await bed.podDeaths.reconcile('uid-1')
    t.match(await bed.session(forced), { status: 'ENDING', endReason: 'pod:deleted' })
  },
)

void t.test('events: PENDING waits in the queue; a pod without a session costs no write', async (t) => {
  const bed = await bedOf(t, 2)
  const id = await bed.claim('uid-1', 'PENDING')
  bed.pods.view.onChange((change) => void bed.podDeaths.deathIn(change))
  bed.pods.vanish('uid-1')
  t.equal(await bed.podDeaths.reconcile('uid-1'), pendingGraceMs)
  bed.advance(pendingGraceMs)
  t.equal(await bed.podDeaths.reconcile('uid-1'), undefined)
  t.equal((await bed.session(id)).endReason, 'failed:delivery')
  const reads = bed.pods.reads()
  bed.ledger.endOnPods = () => Promise.reject(new Error('not for an idle pod'))
  bed.pods.change('uid-2', { deadReason: 'agent container ended' })
  t.equal(await bed.podDeaths.reconcile('uid-2'), undefined)
  t.equal(bed.pods.reads(), reads)
})

void t.test('events: what comes while a death is dealt with is dealt with next', async (t) => {
  const bed = await bedOf(t)
  const id = await bed.claim('uid-1')
  const pod = podOf(bed, 'uid-1')
  const endOnPods = bed.ledger.endOnPods.bind(bed.ledger)
  const reasons: string[] = []
  bed.ledger.endOnPods = async (deaths) => {
    reasons.push(...deaths.map(({ reason }) => reason))
    if (reasons.length > 1) return endOnPods(deaths)
    bed.podDeaths.deathIn({ pod: { ...pod, nodeLost: true }, gone: true })
    throw new Error('the first answer was lost')
  }
  bed.podDeaths.deathIn({ pod: { ...pod, deadReason: 'agent container ended' }, gone: false })
  await t.rejects(bed.podDeaths.reconcile('uid-1'))
  bed.pods.vanish('uid-1')
  await bed.podDeaths.reconcile('uid-1')
  t.strictSame(reasons, ['pod:died', 'pod:node-lost'])
  t.match(await bed.session(id), { status: 'ENDING', endReason: 'pod:node-lost' })
})

void t.test('absences are no evidence; the record of deletions is bounded', async (t) => {
  const bed = await bedOf(t)
  const pod = podOf(bed, 'uid-1')
  const change = { pod, gone: true, absent: true }
  bed.podDeaths.note(change)
  t.equal(bed.podDeaths.evidenceOf('uid-1'), undefined)
  t.equal(bed.podDeaths.deathIn(change), undefined)
  for (let n = 0; n <= 10_000; n += 1) bed.podDeaths.note({ pod: { ...pod, uid: `old-${n}` }, gone: true })
  t.equal(bed.podDeaths.evidenceOf('old-0'), undefined)
  t.equal(bed.podDeaths.evidenceOf('old-1'), 'pod:deleted')
})

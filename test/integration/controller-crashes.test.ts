import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { startTcpProxy } from '../../bed/servers/tcp-proxy.ts'
import { createController } from '../../src/controllers/controller.ts'
import { PodWriteError } from '../../src/domain/pod-write-error.ts'
import { agentType, type ControllerBed, controllerBed, poolsOf } from '../controllers/controller-bed.ts'
import { indexOn, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { newPod } from '../support/fake-pod-view.ts'
import { startClaimBed } from './claim-bed.ts'

/** A controller that dies between two of its steps, or whose writes come to nothing: the next one goes on. */

const servers = { database: await startDatabase(t), redisServer: await startIndexServer(t) }
const { database } = servers
const unavailable = new PodWriteError('api', 'the API server is away', { answered: false })

interface CrashBedOptions {
  readonly url?: string
  /** Pods of the cluster; the next controller finds those of the one before. */
  readonly pods?: ControllerBed['pods']
  readonly min?: number
}

async function crashBed(t: Test, { url, pods, min = 0 }: CrashBedOptions = {}) {
  const index = indexOn(await redisFor(t, servers.redisServer.url))
  const bed = await controllerBed(t, {
    database,
    index,
    pools: poolsOf({ min, max: 10 }),
    ...(url !== undefined && { url }),
  })
  for (const pod of pods?.real.values() ?? []) bed.pods.put(pod)
  return bed
}

/** Another process that wins the election: it remembers nothing and is told of nothing that happened before. */
async function nextLeader(t: Test, dead: ControllerBed) {
  const next = await crashBed(t, { url: dead.postgres.url, pods: dead.pods })
  const stop = new AbortController()
  const led = createController({ ...next, pods: next.pods.view, retention: async () => {} })(stop.signal)
  t.teardown(async () => {
    stop.abort()
    await led
  })
  return next
}

async function claimedBed(t: Test) {
  const bed = await crashBed(t)
  bed.pods.put(newPod({ uid: 'uid-1', readySince: 1, ip: '127.1.2.3' }))
  const id = await bed.claim('uid-1')
  await bed.sessions.beginEnding(id, 'ended:caller')
  return { ...bed, id }
}

const crashes: readonly {
  readonly after: string
  readonly before: (bed: Awaited<ReturnType<typeof claimedBed>>) => Promise<unknown>
  readonly tells: number
  readonly deletes: number
}[] = [
  { after: 'ENDING', before: async () => undefined, tells: 1, deletes: 1 },
  {
    after: '/end',
    async before(bed) {
      bed.pods.refuse('delete', unavailable)
      await bed.sessionReconciler.reconcile(bed.id).catch((error: unknown) => error)
    },
    tells: 1,
    deletes: 1,
  },
  {
    after: 'the delete',
    before: (bed) => bed.sessionReconciler.reconcile(bed.id),
    tells: 0,
    deletes: 0,
  },
  {
    after: 'the end of the pod, before ENDED',
    async before(bed) {
      await bed.sessionReconciler.reconcile(bed.id)
      bed.pods.reap()
    },
    tells: 0,
    deletes: 0,
  },
]

for (const { after, before, tells, deletes } of crashes) {
  void t.test(`controller killed after ${after}: the next one ends the session`, async (t) => {
    const dead = await claimedBed(t)
    await before(dead)
    const next = await nextLeader(t, dead)
    await until('the pod is on its way', () =>
      [...next.pods.real.values()].every(({ deletingSince }) => deletingSince !== undefined),
    )
    if (next.pods.real.size > 0) {
      await until('it is waited for', () => next.sessionReconciler.endingOn('uid-1') === dead.id)
      t.equal((await next.session(dead.id)).status, 'ENDING')
    }
    t.equal(next.told.length, tells, 'the agent is told by whoever deletes its pod')
    t.equal(next.pods.of('delete').length, deletes)
    next.pods.reap()
    await until('ENDED', async () => (await next.session(dead.id)).status === 'ENDED', 3_000)
    t.match(await next.session(dead.id), { endReason: 'ended:caller' })
  })
}

void t.test(
  'controller killed after it retired a pod, before the delete: the next one deletes it',
  async (t) => {
    const dead = await crashBed(t)
    await dead.putMade(newPod({ uid: 'uid-1', readySince: 1, ip: '127.1.2.3' }))
    dead.pods.refuse('delete', unavailable)
    await t.rejects(dead.reconcile())
    t.match(await dead.ledger.claimsOf(['uid-1']), new Map([['uid-1', { purpose: 'retired' }]]))
    const next = await nextLeader(t, dead)
    await until('deleted', () => next.pods.of('delete').includes('uid-1'), 3_000)
  },
)

void t.test(
  'the reply of the retirement is lost: nothing is deleted on a guess, the next look does it',
  async (t) => {
    const url = new URL(await database.fresh())
    const direct = await crashBed(t, { url: url.href })
    const proxy = await startTcpProxy({ port: Number(url.port) })
    t.teardown(() => proxy.stop())
    url.port = String(proxy.port)
    const bed = await crashBed(t, { url: url.href })
    await bed.putMade(newPod({ uid: 'uid-1', readySince: 1, ip: '127.1.2.3' }))
    const retire = bed.ledger.retire.bind(bed.ledger)
    bed.ledger.retire = async (podUids, reason) => {
      proxy.set('drop-replies')
      const retired = retire(podUids, reason)
      retired.catch(() => undefined)
      await until('it ran', async () => (await direct.ledger.claimsOf(podUids)).size === 1)
      proxy.set('pass')
      proxy.cut()
      return retired
    }
    await t.rejects(bed.reconcile(), { code: 'GRN_DATABASE_UNAVAILABLE' })
    t.strictSame(bed.pods.of('delete'), [])
    await until('deleted', async () => {
      await bed.reconcile().catch(() => undefined)
      return bed.pods.of('delete').includes('uid-1')
    })
  },
)

void t.test(
  'a label patch that never lands: claims, ends and refill go on, and it is tried again',
  async (t) => {
    const bed = await startClaimBed(t, servers, 6)
    const controller = await crashBed(t, { url: bed.postgres.url, min: 6 })
    for (const pod of bed.agents.pods.view.all())
      await controller.putMade({ ...pod, templateHash: undefined })
    controller.pods.refuse('label', unavailable)
    const stop = new AbortController()
    const led = createController({ ...controller, pods: controller.pods.view, retention: async () => {} })(
      stop.signal,
    )
    t.teardown(async () => {
      stop.abort()
      await led
    })
    // Replicas without an index see only the labels of pods, and some labels wrongly say idle.
    const away = await redisFor(t, servers.redisServer.url)
    away.disconnect()
    const replicas = await Promise.all(
      ['api-1', 'api-2', 'api-3'].map((name) => bed.replica({ name, index: indexOn(away) })),
    )
    const claimed: string[] = []
    for (const api of [...replicas, ...replicas]) {
      const { session } = await api.open()
      t.match(session, { status: 'ACTIVE' })
      claimed.push(session.pod?.uid ?? '')
    }
    t.equal(new Set(claimed).size, 6, 'no pod twice, although every label says idle')
    controller.wakes.publish({ kind: 'claimed', agentType })
    await until('refill', () => controller.pods.of('create').length > 0, 15_000)
    const [first] = await bed.rows()
    if (!first) throw new Error('no session')
    await bed.sessions.beginEnding(first.id, 'ended:caller')
    controller.wakes.publish({ kind: 'ending', sessionId: first.id })
    await until('its pod goes', () => controller.pods.of('delete').includes(first.pod_uid))
    controller.pods.reap()
    await until('ENDED', async () => (await bed.sessions.get(first.id))?.status === 'ENDED')
    t.strictSame(controller.pods.of('label'), [], 'not one landed')
    controller.pods.refuse('label', undefined)
    await until('the others are labelled', () => new Set(controller.pods.of('label')).size === 5, 35_000)
  },
)

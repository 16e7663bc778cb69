import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { AgentDelivery } from '../../src/domain/cluster-ports.ts'
import { endReason } from '../../src/domain/session.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createRenewSession } from '../../src/sessions/renew-session.ts'
import { controllerBed, poolsOf } from '../controllers/controller-bed.ts'
import { agentType } from '../sessions/open-bed.ts'
import { startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { createStepGate, heldStore } from '../support/claim-steps.ts'
import { readyPod } from '../support/fake-pod-view.ts'
import { settledAlready, unasked } from '../support/nothing-unsettled.ts'
import { type ClaimBed, startClaimBed } from './claim-bed.ts'

/** Two that want the same pod, or the same session, at the same moment (docs/claims.md). */

const servers = { database: await startDatabase(t), redisServer: await startIndexServer(t) }

/** The controller's reconcilers on the same database and index, with the same pods. */
async function controllerOn(t: Parameters<typeof controllerBed>[0], bed: ClaimBed, min: number) {
  const controller = await controllerBed(t, {
    database: servers.database,
    url: bed.postgres.url,
    index: bed.index,
    pools: poolsOf({ min, max: 10 }),
  })
  // Oldest first is the order in which a surplus is retired.
  for (const [n, pod] of bed.agents.pods.view.all().entries())
    await controller.putMade({ ...pod, createdAt: n, readySince: n, templateHash: undefined })
  return controller
}

void t.test(
  'the controller retires a pod that a replica has reserved: the open goes to the next',
  async (t) => {
    const bed = await startClaimBed(t, servers, 2)
    const gate = createStepGate()
    const api = await bed.replica({ sessions: heldStore(bed.sessions, gate) })
    gate.hold('commit')
    const opening = api.open()
    await until('reserved', () => gate.held('commit') === 1)
    const controller = await controllerOn(t, bed, 1)
    await controller.reconcile()
    t.strictSame(controller.pods.of('delete'), ['pod-0'], 'the retired one is deleted')
    gate.release('commit')
    t.match((await opening).session, { status: 'ACTIVE', pod: { uid: 'pod-1' }, epoch: 2 })
    t.strictSame(bed.serving(), ['pod-1'])
    t.match(await bed.claims(), [
      { pod_uid: 'pod-0', purpose: 'retired' },
      { pod_uid: 'pod-1', purpose: 'session' },
    ])
  },
)

void t.test('a replica claims a pod that the controller is about to retire: it is left alone', async (t) => {
  const bed = await startClaimBed(t, servers, 2)
  const controller = await controllerOn(t, bed, 1)
  const claimsOf = controller.ledger.claimsOf.bind(controller.ledger)
  const api = await bed.replica()
  // Between the controller's look at the claims and its own claim.
  controller.ledger.claimsOf = async (podUids) => {
    const before = await claimsOf(podUids)
    await api.open()
    await api.activationsDone()
    controller.ledger.claimsOf = claimsOf
    return before
  }
  await controller.reconcile()
  t.match(await bed.rows(), [{ status: 'ACTIVE', pod_uid: 'pod-0' }])
  t.strictSame(controller.pods.of('delete'), [], 'nothing is deleted on a stale look')
  await controller.reconcile()
  t.strictSame(controller.pods.of('delete'), [])
  t.match(await bed.claims(), [{ pod_uid: 'pod-0', purpose: 'session' }])
})

void t.test(
  'a replica stopped between reserve and commit for longer than its reservation takes no pod of another',
  async (t) => {
    const bed = await startClaimBed(t, servers, 2)
    await bed.index.rebuild(agentType, [{ podUid: 'pod-0', rank: 0 }])
    const stopped = await bed.process('api-1')
    stopped.hold('commit')
    const opening = stopped.open({}, 'k')
    await stopped.untilHeld('commit')
    stopped.signal('SIGSTOP')
    stopped.release('commit')
    const other = await bed.replica({ name: 'api-2' })
    const { session } = await other.open({ onEmpty: 'wait', waitMs: 20_000 })
    t.match(session, { pod: { uid: 'pod-0' } }, 'the reservation of the one that is stopped has lapsed')
    await bed.sessions.beginEnding(session.id, endReason.caller)
    await bed.ledger.finishEnding([session.id])
    bed.agents.pods.set(readyPod({ uid: 'pod-0', deletingSince: 1 }))
    await bed.index.add(agentType, [{ podUid: 'pod-1', rank: 1 }])
    stopped.signal('SIGCONT')
    t.match(await opening, { kind: 'refused', code: 'GRN_POOL_EMPTY' }, 'its time is over as well')
    const again = await stopped.open({}, 'k')
    t.match(again, { kind: 'opened', session: { status: 'ACTIVE', pod: { uid: 'pod-1' } } })
    t.match(await bed.claims(), [
      { pod_uid: 'pod-0', purpose: 'session', session_id: session.id },
      { pod_uid: 'pod-1', purpose: 'session' },
    ])
    t.equal(bed.agents.agent('pod-0').assignments.length, 1, 'the draining pod was not asked')
    t.equal(await bed.index.size(agentType), 0, 'nor is it offered again')
  },
)

void t.test('two replicas commit one key at the same moment: one pod, one answer', async (t) => {
  const bed = await startClaimBed(t, servers, 4)
  const gate = createStepGate()
  const sessions = heldStore(bed.sessions, gate)
  const [one, two] = await Promise.all([
    bed.replica({ name: 'api-1', sessions }),
    bed.replica({ name: 'api-2', sessions }),
  ])
  gate.hold('commit')
  const opens = [one, two].map((api) => api.open({}, { idempotencyKey: 'k' }))
  await until('both are there', () => gate.held('commit') === 2)
  gate.release('commit')
  const [first, second] = await Promise.all(opens)
  t.equal(first?.session.id, second?.session.id)
  t.not(first?.replayed, second?.replayed, 'one of them made it')
  t.equal(first?.session.status, 'ACTIVE')
  t.strictSame(second?.session.pod, first?.session.pod)
  t.equal((await bed.claims()).length, 1)
  t.equal(bed.serving().length, 1)
  t.equal(await bed.index.size(agentType), 3)
})

void t.test(
  'a late 200 of an older attempt changes nothing, and its caller gets the session as it is',
  async (t) => {
    const bed = await startClaimBed(t, servers, 3)
    const late = Promise.withResolvers<void>()
    const slow = Promise.withResolvers<void>()
    /** The first replica is told that the pod is unreachable, a follower of the same key that it accepted: much later. */
    const hears = (heard: Promise<void>, accepted: boolean): AgentDelivery => ({
      ...unasked,
      async assign({ uid }, { sessionId, epoch }) {
        if (uid === 'pod-0') await heard
        if (uid === 'pod-0' && !accepted) return { kind: 'unreachable', reason: 'no answer in time' }
        return { kind: 'accepted', echo: { podUid: uid, sessionId, epoch } }
      },
      end: async () => ({ kind: 'unreachable', reason: 'not asked' }),
    })
    const first = await bed.replica({ delivery: hears(slow.promise, false) })
    const follower = await bed.replica({ name: 'api-2', delivery: hears(late.promise, true) })
    const opening = first.open({}, { idempotencyKey: 'k' })
    await until('committed', async () => (await bed.claims()).length === 1)
    const following = follower.open({}, { idempotencyKey: 'k' })
    slow.resolve()
    const { session } = await opening
    t.match(session, { status: 'ACTIVE', epoch: 2, pod: { uid: 'pod-1' } })
    late.resolve()
    t.match(await following, {
      replayed: true,
      session: { id: session.id, status: 'ACTIVE', epoch: 2, pod: { uid: 'pod-1' } },
    })
    t.same(await bed.sessions.get(session.id), session)
    t.match(await bed.claims(), [
      { pod_uid: 'pod-0', purpose: 'retired', reason: 'unreachable: no answer in time' },
      { pod_uid: 'pod-1', purpose: 'session', epoch: 2 },
    ])
    const renew = createRenewSession({ sessions: bed.sessions, ...settledAlready, metrics: createMetrics() })
    await t.rejects(renew(session.id, 1, 'agent'), { code: 'GRN_STALE_EPOCH', status: 409 })
  },
)

void t.test(
  'a claim is undone although another request of its key had reached the pod: the pod refuses the next session',
  async (t) => {
    const bed = await startClaimBed(t, servers, 2)
    // The pool is Degraded already.
    for (const uid of ['x', 'y', 'z']) await bed.index.noteFailure(agentType, uid, 10_000)
    const gate = createStepGate()
    const cut = Promise.withResolvers<void>()
    const first = await bed.replica({
      delivery: {
        ...unasked,
        async assign() {
          await cut.promise
          return { kind: 'unreachable', reason: 'no connection in time', untouched: true }
        },
        end: async () => ({ kind: 'unreachable', reason: 'not asked' }),
      },
    })
    const follower = await bed.replica({ name: 'api-2', sessions: heldStore(bed.sessions, gate) })
    const opening = first.open({}, { idempotencyKey: 'k' })
    await until('committed', async () => (await bed.claims()).length === 1)
    gate.hold('activate')
    const following = follower.open({}, { idempotencyKey: 'k' })
    await until('its agent has it', () => gate.held('activate') === 1)
    cut.resolve()
    await t.rejects(opening, { code: 'GRN_POOL_DEGRADED' })
    t.strictSame(await bed.claims(), [], 'as far as that replica knows the pod never heard of it')
    gate.release('activate')
    await t.rejects(following, { code: 'GRN_DELIVERY_FAILED' })
    await bed.index.rebuild(agentType, bed.agents.slots())
    const later = await bed.replica({ name: 'api-3', poolSize: 1_000 })
    t.match((await later.open()).session, { status: 'ACTIVE', pod: { uid: 'pod-1' }, epoch: 2 })
    t.match(await bed.claims(), [
      { pod_uid: 'pod-0', purpose: 'retired', reason: 'refused: status 409 AGENT_BUSY' },
      { pod_uid: 'pod-1', purpose: 'session' },
    ])
  },
)

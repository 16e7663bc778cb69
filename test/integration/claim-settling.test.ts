import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { endReason, type Session } from '../../src/domain/session.ts'
import { agentType } from '../sessions/open-bed.ts'
import { startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { createStepGate, heldStore } from '../support/claim-steps.ts'
import { type ClaimBed, startClaimBed } from './claim-bed.ts'

/**
 * Opens that are answered on the acknowledgement of their pod, while PostgreSQL does not know of it yet (ADR 45): what a
 * caller was told stands, whoever asks, and whatever is lost.
 */

const servers = { database: await startDatabase(t), redisServer: await startIndexServer(t) }
const key = 'k'

/** A session that its caller was told of, and whose activation waits in the replica that opened it. */
async function told(t: Test, { count = 2, lease = 60 } = {}) {
  const bed = await startClaimBed(t, servers, count)
  const gate = createStepGate()
  const opener = await bed.replica({ sessions: heldStore(bed.sessions, gate) })
  const other = await bed.replica({ name: 'api-2' })
  gate.hold('activate')
  const { session } = await opener.open({ leaseSeconds: lease }, { idempotencyKey: key })
  await until('the activation is under way', () => gate.held('activate') === 1)
  t.match(session, { status: 'ACTIVE', pod: { uid: 'pod-0' }, epoch: 1, activeAt: Number })
  t.match(await bed.sessions.get(session.id), { status: 'PENDING' })
  t.teardown(() => gate.release('activate'))
  return { ...bed, gate, opener, other, session }
}

/** What stays as it was told, however the session was settled. */
function asTold({ id, status, pod, epoch, activeAt, createdAt }: Session): Partial<Session> {
  return { id, status, pod, epoch, activeAt, createdAt }
}

/** As if so much time had gone by since the claim; its lease has lapsed if it is that long. */
async function later(bed: Pick<ClaimBed, 'query'>, seconds: number): Promise<void> {
  await bed.query(`UPDATE renewal_service SET alive_at = 'infinity'`)
  await bed.query(
    `UPDATE sessions SET claimed_at = claimed_at - $1 * interval '1 s',
       lease_expires_at = lease_expires_at - $1 * interval '1 s'`,
    [seconds],
  )
}

void t.test('every read at another replica says what the caller was told', async (t) => {
  const reads: Record<string, (bed: Awaited<ReturnType<typeof told>>) => Promise<unknown>> = {
    get: ({ other, session }) => other.sessionApi.sessions.get(session.id),
    list: async ({ other }) => (await other.sessionApi.listSessions({ limit: 5 }, false)).sessions[0],
    'list of the ACTIVE ones': async ({ other }) =>
      (await other.sessionApi.listSessions({ status: 'ACTIVE', limit: 5 }, false)).sessions[0],
    renewal: ({ other, session }) => other.sessionApi.renewSession(session.id, 1),
    'its key': async ({ other }) => (await other.open({ leaseSeconds: 60 }, { idempotencyKey: key })).session,
  }
  for (const [name, read] of Object.entries(reads)) {
    const bed = await told(t)
    t.match(await read(bed), asTold(bed.session), name)
    t.equal(bed.agents.agent('pod-0').assignments.length, 1, 'nothing is delivered again')
    bed.gate.release('activate')
    await bed.opener.activationsDone()
    t.match(await bed.sessions.get(bed.session.id), asTold(bed.session), 'its own activation comes late')
  }
})

void t.test('a read in the same replica waits for the activation and asks no pod', async (t) => {
  const bed = await told(t)
  const reading = bed.opener.sessionApi.sessions.get(bed.session.id)
  bed.gate.release('activate')
  t.match(await reading, asTold(bed.session))
  t.same(bed.agents.agent('pod-0').questions, [])
})

void t.test('a session that its pod has not taken is PENDING for whoever reads it', async (t) => {
  const bed = await startClaimBed(t, servers, 1)
  const gate = createStepGate()
  const slow = await bed.replica({ delivery: bed.heldDelivery(gate) })
  const other = await bed.replica({ name: 'api-2' })
  gate.hold('deliver')
  const opening = slow.open()
  await until('committed', async () => (await bed.rows()).length === 1)
  const { sessions } = await other.sessionApi.listSessions({ limit: 5 }, false)
  t.match(sessions, [{ status: 'PENDING', pod: { uid: 'pod-0' } }])
  t.match(bed.agents.agent('pod-0').questions, [{ seal: false }])
  gate.release('deliver')
  t.match(await opening, { session: { status: 'ACTIVE' } }, 'being asked does it no harm')
})

void t.test(
  'ended at another replica before its activation: it is over, and what was told stands',
  async (t) => {
    const bed = await told(t)
    const { session, other, opener, gate } = bed
    t.match(await other.sessionApi.closeSession(session.id, 'caller'), {
      status: 'ENDING',
      endReason: endReason.caller,
      activeAt: session.activeAt,
    })
    gate.release('activate')
    await opener.activationsDone()
    t.match(await bed.sessions.get(session.id), { status: 'ENDING', activeAt: session.activeAt })
    const events = await bed.query<{ status: string; end_reason: string | null }>(
      'SELECT status, end_reason FROM session_events WHERE session_id = $1 ORDER BY id',
      [session.id],
    )
    t.same(
      events,
      [
        { status: 'PENDING', end_reason: null },
        { status: 'ACTIVE', end_reason: null },
        { status: 'ENDING', end_reason: endReason.caller },
      ],
      'it was ACTIVE for whoever follows events',
    )
  },
)

void t.test('its pod dies before its activation: it has died, and its key stays used', async (t) => {
  const bed = await told(t)
  const { session, other } = bed
  const [ended] = await bed.ledger.endOnPods([{ podUid: 'pod-0', reason: endReason.podDied }])
  t.match(ended, { id: session.id, endReason: 'pod:died', activeAt: session.activeAt })
  await bed.ledger.finishEnding([session.id])
  await t.rejects(other.open({ leaseSeconds: 60 }, { idempotencyKey: key }), { code: 'GRN_KEY_USED_UP' })
  t.equal((await bed.claims()).length, 1)
})

void t.test(
  'its pod cannot be asked: it stays PENDING, lapses with its lease, and its key stays used',
  async (t) => {
    const bed = await told(t, { lease: 10 })
    const { session, other, agents } = bed
    agents.agent('pod-0').mood = 'deaf'
    await later(bed, 12)
    t.same(await bed.ledger.lapse(10), [], 'its pod may answer yet')
    await other.sessionApi.settleLeftBehind()
    t.match(await bed.sessions.get(session.id), { status: 'PENDING' })
    await later(bed, 5)
    t.match(await bed.ledger.lapse(10), [{ endReason: 'lapsed:lease', activeAt: Number }])
    await bed.ledger.finishEnding([session.id])
    await t.rejects(other.open({ leaseSeconds: 10 }, { idempotencyKey: key }), { code: 'GRN_KEY_USED_UP' })
    t.equal((await bed.claims()).length, 1)
  },
)

void t.test(
  'nobody but the open that claimed the pod takes the session to another or gives it up',
  async (t) => {
    const bed = await told(t)
    const pending = await bed.sessions.get(bed.session.id)
    if (!pending) throw new Error('no row')
    for (const opener of [undefined, '00000000-0000-4000-8000-000000000000']) {
      const stranger = { ...pending, opener }
      const next = { pod: { uid: 'pod-1', name: 'pod-1', ip: '127.77.1.2' }, epoch: 2, reason: 'unreachable' }
      t.match(await bed.sessions.commitNextAttempt(stranger, next), { kind: 'pod-taken' })
      for (const fate of [{ kind: 'retire', reason: 'x' }, { kind: 'release' }] as const)
        t.equal(await bed.sessions.failOpen(stranger, endReason.deliveryFailed, fate), undefined)
    }
    t.match(await bed.sessions.get(pending.id), { status: 'PENDING', epoch: 1, pod: { uid: 'pod-0' } })
  },
)

void t.test('a pod that was sealed refuses the delivery that comes too late', async (t) => {
  const bed = await startClaimBed(t, servers, 2)
  const gate = createStepGate()
  const slow = await bed.replica({ delivery: bed.heldDelivery(gate) })
  const other = await bed.replica({ name: 'api-2' })
  gate.hold('deliver')
  const opening = slow.open({}, { idempotencyKey: key })
  await until('committed', async () => (await bed.rows()).length === 1)
  await later(bed, 9)
  await other.sessionApi.settleLeftBehind()
  t.match(await bed.rows(), [{ status: 'ENDED' }])
  gate.release('deliver')
  t.match((await opening).session, { status: 'ACTIVE', epoch: 2, pod: { uid: 'pod-1' } }, 'it starts again')
  t.match(await bed.claims(), [
    { pod_uid: 'pod-0', purpose: 'retired' },
    { pod_uid: 'pod-1', epoch: 2 },
  ])
})

void t.test('an agent that cannot be asked is answered for when PostgreSQL knows', async (t) => {
  const bed = await startClaimBed(t, servers, 1)
  bed.agents.agent('pod-0').mood = 'old'
  const gate = createStepGate()
  const api = await bed.replica({ sessions: heldStore(bed.sessions, gate) })
  gate.hold('activate')
  let answered = false
  const opening = api.open().finally(() => {
    answered = true
  })
  await until('acknowledged', () => gate.held('activate') === 1)
  await new Promise((resolve) => setImmediate(resolve))
  t.notOk(answered)
  gate.release('activate')
  t.match(await opening, { session: { status: 'ACTIVE' }, stagesMs: { activate: Number } })
})

void t.test(
  'a replica that drains has written its activations, also when PostgreSQL failed some',
  async (t) => {
    const bed = await startClaimBed(t, servers, 2)
    let failures = 2
    const api = await bed.replica({
      sessions: {
        ...bed.sessions,
        async activate(id, epoch, steps) {
          if (failures === 0) return bed.sessions.activate(id, epoch, steps)
          failures -= 1
          throw new Error('no answer')
        },
      },
    })
    const { session } = await api.open({ agentType })
    t.match((await api.metrics.activationsBehind.get()).values, [{ value: 1 }])
    await api.activationsDone()
    t.match(await bed.sessions.get(session.id), asTold(session))
    t.match((await api.metrics.activationsBehind.get()).values, [{ value: 0 }])
  },
)

import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { openAll, requestsOf } from '../sessions/open-batch-bed.ts'
import { agentType, poolsOf } from '../sessions/open-bed.ts'
import { startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { type ClaimBed, startClaimBed } from './claim-bed.ts'

/** Replicas killed with -9 between two steps of an open, and stalled in the middle of one (docs/claims.md). */

const servers = { database: await startDatabase(t), redisServer: await startIndexServer(t) }
const key = 'k'

/** As if so much time had gone by since the pod was claimed. */
async function claimedBefore(bed: ClaimBed, seconds: number): Promise<void> {
  await bed.query(`UPDATE sessions SET claimed_at = claimed_at - $1 * interval '1 s'`, [seconds])
}

const secrets = { KEY: 'x' }

async function onlyRow(bed: ClaimBed): Promise<string> {
  const [row, ...others] = await bed.rows()
  if (!row || others.length > 0) throw new Error(`${others.length + (row ? 1 : 0)} rows`)
  return row.id
}

void t.test('killed between reserve and commit: the slot is free again after 5 s', async (t) => {
  const bed = await startClaimBed(t, servers, 1)
  const replica = await bed.process()
  replica.hold('commit')
  void replica.open({}, key)
  await replica.untilHeld('commit')
  await replica.kill()
  const other = await bed.replica({ name: 'api-2' })
  const begun = performance.now()
  const { session } = await other.open({ onEmpty: 'wait', waitMs: 20_000 })
  t.equal(session.pod?.uid, 'pod-0')
  t.ok(performance.now() - begun < 8_000, 'the reservation and a look')
  t.equal((await bed.rows()).length, 1, 'the open of the dead one left no row')
})

/** `deliver`: after the commit, before the agent hears of it. `activate`: after the agent has acknowledged. */
async function killedAt(t: Test, step: 'deliver' | 'activate') {
  const bed = await startClaimBed(t, servers, 2)
  const replica = await bed.process()
  replica.hold(step)
  void replica.open({ secrets }, key)
  await replica.untilHeld(step)
  await replica.kill()
  t.strictSame(bed.serving(), step === 'activate' ? ['pod-0'] : [])
  const id = await onlyRow(bed)
  t.match(await bed.sessions.get(id), { status: 'PENDING', pod: { uid: 'pod-0' }, epoch: 1 })
  return { ...bed, id }
}

for (const [step, between] of [
  ['deliver', 'commit and delivery'],
  ['activate', 'acknowledgement and activation'],
] as const) {
  void t.test(`killed between ${between}: its key at another replica is the same session`, async (t) => {
    const bed = await killedAt(t, step)
    const other = await bed.replica({ name: 'api-2' })
    t.match(await other.open({ secrets }, { idempotencyKey: key }), {
      replayed: true,
      session: { id: bed.id, status: 'ACTIVE', pod: { uid: 'pod-0' }, epoch: 1 },
    })
    t.strictSame(bed.serving(), ['pod-0'])
    t.equal((await bed.claims()).length, 1)
  })
}

void t.test(
  'killed between commit and delivery: without a retry its pod is asked, and its key is free',
  async (t) => {
    const bed = await killedAt(t, 'deliver')
    const other = await bed.replica({ name: 'api-2' })
    await claimedBefore(bed, 3)
    await other.sessionApi.settleLeftBehind()
    t.match(await bed.sessions.get(bed.id), { status: 'PENDING' }, 'its open may be under way')
    await claimedBefore(bed, 6)
    await other.sessionApi.settleLeftBehind()
    t.match(bed.agents.agent('pod-0').questions, [
      { seal: false },
      { sessionId: bed.id, epoch: 1, seal: true },
    ])
    t.match(await bed.sessions.get(bed.id), {
      status: 'ENDED',
      endReason: 'failed:abandoned',
      activeAt: undefined,
    })
    t.match(await bed.claims(), [{ pod_uid: 'pod-0', purpose: 'retired' }])
    t.match(await other.open({ secrets }, { idempotencyKey: key }), {
      replayed: false,
      session: { id: bed.id, status: 'ACTIVE', pod: { uid: 'pod-1' }, epoch: 2 },
    })
  },
)

void t.test(
  'killed between acknowledgement and activation: any replica asks the pod, and it is ACTIVE',
  async (t) => {
    const bed = await killedAt(t, 'activate')
    const other = await bed.replica({ name: 'api-2' })
    await claimedBefore(bed, 3)
    await other.sessionApi.settleLeftBehind()
    t.match(bed.agents.agent('pod-0').questions, [{ sessionId: bed.id, epoch: 1, seal: false }])
    t.match(await bed.sessions.get(bed.id), { status: 'ACTIVE', pod: { uid: 'pod-0' }, epoch: 1 })
    t.match(await other.open({ secrets }, { idempotencyKey: key }), {
      replayed: true,
      session: { id: bed.id },
    })
    t.equal(bed.agents.agent('pod-0').assignments.length, 1, 'nothing was delivered again')
  },
)

for (const step of ['commit', 'deliver', 'activate'] as const) {
  void t.test(
    `killed while a batch is at ${step}: its key at another replica is the whole batch`,
    async (t) => {
      const bed = await startClaimBed(t, servers, 8)
      const replica = await bed.process()
      replica.hold(step)
      void replica.openAll(requestsOf(4), key)
      await replica.untilHeld(step, step === 'commit' ? 1 : 4)
      await replica.kill()
      const before = await bed.rows()
      t.equal(before.length, step === 'commit' ? 0 : 4, 'its sessions are written together')
      t.ok(
        before.every(({ status }) => status === 'PENDING'),
        'and none is ACTIVE before all are served',
      )
      const answers = await openAll(await bed.replica({ name: 'api-2' }), requestsOf(4), {
        idempotencyKey: key,
      })
      t.ok(answers.every(({ session }) => session.status === 'ACTIVE'))
      t.equal((await bed.claims()).length, 4)
      t.equal(bed.serving().length, 4)
    },
  )
}

void t.test(
  'killed while a batch is delivered: without a retry it lapses with its first leases',
  async (t) => {
    const bed = await startClaimBed(t, servers, 4)
    const replica = await bed.process()
    replica.hold('activate')
    void replica.openAll(requestsOf(4), key)
    await replica.untilHeld('activate', 4)
    await replica.kill()
    await bed.query(`UPDATE sessions SET lease_expires_at = now() - interval '1 ms'`)
    const ended = await bed.ledger.lapse(10)
    t.same(
      ended.map(({ endReason }) => endReason),
      Array(4).fill('failed:abandoned'),
    )
  },
)

void t.test('killed after the activation: the 201 was never sent, its key answers 200', async (t) => {
  const bed = await startClaimBed(t, servers, 2)
  const replica = await bed.process()
  replica.hold('answer')
  void replica.open({}, key)
  await replica.untilHeld('answer')
  await replica.kill()
  const other = await bed.replica({ name: 'api-2' })
  t.match(await other.open({}, { idempotencyKey: key }), {
    replayed: true,
    session: { id: await onlyRow(bed), status: 'ACTIVE', pod: { uid: 'pod-0' } },
  })
  t.equal((await bed.claims()).length, 1)
})

const coldPools = poolsOf(`pools: {${agentType}: {template: {image: echo}, min: 1, max: 9}}`)

void t.test('killed while its cold open is between commit and delivery: another delivers it', async (t) => {
  const bed = await startClaimBed(t, servers, 2)
  await bed.index.rebuild(agentType, [])
  const replica = await bed.process()
  replica.hold('deliver')
  const cold = await replica.open({ onEmpty: 'cold', metadata: { topic: 'tea' } }, key)
  if (cold.kind !== 'opened') throw new Error(cold.code)
  t.match(cold.session, { status: 'PENDING', pod: undefined })
  await bed.index.add(agentType, [{ podUid: 'pod-0', rank: 0 }])
  await replica.untilHeld('deliver')
  await replica.kill()
  const other = await bed.replica({ name: 'api-2', pools: coldPools })
  await until(
    'another took it over and delivered',
    async () => {
      await other.adoptOrphans()
      return (await bed.sessions.get(cold.session.id))?.status === 'ACTIVE'
    },
    15_000,
  )
  t.match(bed.agents.agent('pod-0').serving, { sessionId: cold.session.id, metadata: { topic: 'tea' } })
  t.equal((await bed.claims()).length, 1)
})

void t.test('an event loop that stalls for 2 s during deliveries retires nothing', async (t) => {
  const stallMs = 2_000
  // At once, while connections are made, while agents answer, and when the answers have come.
  for (const afterMs of [0, 1, 3, 8]) {
    const bed = await startClaimBed(t, servers, 8)
    const replica = await bed.process()
    await replica.open({}, 'warm-up')
    const keys = ['a', 'b', 'c', 'd', 'e', 'f']
    replica.hold('deliver')
    const opens = keys.map((name) => replica.open({}, name))
    await replica.untilHeld('deliver', keys.length)
    replica.stall(afterMs, stallMs)
    replica.release('deliver')
    const answers = await Promise.all(opens)
    // Everything may have been answered by then: that is the last of the moments.
    await until(`a stall ${afterMs} ms after a delivery`, () => replica.stalls() === 1)
    // An open with a statement under way may be told that PostgreSQL did not answer; its key finds what became of it.
    for (const answer of answers)
      if (answer.kind === 'refused') t.match(answer.code, /^GRN_(DATABASE_UNAVAILABLE|DELIVERY_FAILED)$/)
    for (const name of keys)
      await until(`the session of ${name}`, async () => {
        const again = await replica.open({}, name)
        return again.kind === 'opened' && again.session.status === 'ACTIVE'
      })
    const claims = await bed.claims()
    t.strictSame(
      claims.filter(({ purpose }) => purpose === 'retired'),
      [],
      'no pod is condemned',
    )
    t.equal(bed.serving().length, keys.length + 1)
    await replica.kill()
  }
})

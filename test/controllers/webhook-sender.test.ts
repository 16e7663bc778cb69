import { createHmac, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createWebhookSender } from '../../src/controllers/webhook-sender.ts'
import { createEventPost } from '../../src/delivery/event-post.ts'
import { networks } from '../../src/delivery/public-address.ts'
import { endReason } from '../../src/domain/session.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createWebhookSigner } from '../../src/sessions/webhook-signer.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresEventLog } from '../../src/stores/postgres-event-log.ts'
import { createPostgresEventWebhooks } from '../../src/stores/postgres-event-webhooks.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newRecord } from '../stores/open-records.ts'
import { postgresFor, startDatabase } from '../stores/store-servers.ts'
import { keptLog } from '../support/kept-log.ts'

t.setTimeout(120_000)
const database = await startDatabase(t)
const ops = { kind: 'api-key', id: 'ops' } as const
const signer = createWebhookSigner('a secret of at least thirty-two bytes')
const post = createEventPost({ allowed: networks(['127.0.0.0/8']) })

interface Received {
  readonly id: string
  readonly body: Record<string, unknown>
  readonly isSigned: boolean
}

/** As the code of a customer checks it, with the secret that it was given once. */
function isSigned(secret: string, headers: NodeJS.Dict<string | string[]>, body: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`
  const fresh = Math.abs(Date.now() / 1_000 - Number(headers['webhook-timestamp'])) < 300
  return (
    fresh &&
    headers['webhook-signature'] === `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
  )
}

async function startBed(t: Test) {
  const postgres = await postgresFor(t, database)
  const sessions = createPostgresSessionStore(postgres)
  const ledger = createPostgresClaimLedger(postgres)
  const log = createPostgresEventLog(postgres)
  const webhooks = createPostgresEventWebhooks(postgres)
  const metrics = createMetrics()
  const received: Received[] = []
  const receiver = { status: 200, secret: '', refused: new Set<string>() }
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const id = String(request.headers['webhook-id'])
      const status = receiver.refused.has(id) ? 500 : receiver.status
      const value = JSON.parse(body) as Record<string, unknown>
      if (status === 200)
        received.push({ id, body: value, isSigned: isSigned(receiver.secret, request.headers, body) })
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  let aheadMs = 0
  const create = () =>
    createWebhookSender({
      log,
      webhooks,
      send({ id: webhookId, url }, { event }) {
        const body = JSON.stringify(event)
        const timestamp = Math.floor(Date.now() / 1_000)
        return post({ url, body, headers: signer.headers(webhookId, { id: event.id, timestamp, body }) })
      },
      metrics,
      logger: keptLog().logger,
      now: () => Date.now() + aheadMs,
    })
  let sender = create()
  const look = async () => {
    await postgres.durable.query('UPDATE event_webhooks SET next_try_at = now()')
    await log.number()
    await sender.look()
    await sender.settled()
  }
  return {
    webhooks,
    log,
    metrics,
    received,
    receiver,
    look,
    /** Another leader, which remembers nothing. */
    changeLeader: () => {
      sender = create()
    },
    hoursLater: (hours: number) => {
      aheadMs = hours * 3_600_000
    },
    types: () => received.map(({ body }) => String(body.type)),
    async add(facts: { projectId?: string; types?: readonly ['session.ended']; position?: number } = {}) {
      const id = randomUUID()
      receiver.secret = signer.secretOf(id)
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
      const { projectId, types, position } = facts
      const webhook = await webhooks.create({ id, url, projectId, types, position }, 20, ops)
      if (!webhook) throw new Error('not made')
      return webhook
    },
    async run(overrides: object = {}): Promise<string> {
      const record = newRecord(overrides)
      await sessions.commitOpen(record)
      await sessions.activate(record.id, 1)
      await sessions.beginEnding(record.id, endReason.caller)
      await ledger.finishEnding([record.id])
      return record.id
    },
  }
}

const life = ['session.pending', 'session.active', 'session.ending', 'session.ended']

void t.test(
  'a project gets the events of its sessions, signed, each once, in the order of its sessions',
  async (t) => {
    const bed = await startBed(t)
    await bed.run({ projectId: 'checkout' })
    await bed.log.number()
    const { id } = await bed.add({ projectId: 'checkout' })
    await bed.run({ projectId: 'search' })
    await bed.log.note({ type: 'pool.empty', agentType: 'echo-agent', waiting: 1 })
    const mine = await Promise.all([1, 2, 3].map(() => bed.run({ projectId: 'checkout' })))
    await bed.look()
    await bed.look()
    t.equal(bed.received.length, 12, 'from its creation on')
    for (const session of mine) {
      const ofSession = bed.received.filter(({ body }) => body.sessionId === session)
      t.same(
        ofSession.map(({ body }) => body.type),
        life,
      )
    }
    t.ok(bed.received.every(({ isSigned }) => isSigned))
    t.ok(bed.received.every(({ id, body }) => id === body.id))
    t.match(await bed.webhooks.get(id, undefined), { position: 21, failures: 0 })
    await bed.webhooks.remove(id, 'checkout', ops)
    await bed.run({ projectId: 'checkout' })
    await bed.look()
    t.equal(bed.received.length, 12)
  },
)

void t.test(
  'what fails is sent again, and what came after it is not lost; another leader goes on',
  async (t) => {
    const bed = await startBed(t)
    const { id } = await bed.add({ types: ['session.ended'] })
    for (let n = 0; n < 4; n += 1) await bed.run()
    bed.receiver.status = 503
    await bed.look()
    const failing = await bed.webhooks.get(id, undefined)
    t.match(failing, { failures: 1, lastError: 'it answered 503', position: 3, disabledFor: undefined })
    t.ok(failing?.failingSince)
    t.same(await bed.webhooks.due(), [], 'not before its time')
    await bed.look()
    t.match(await bed.webhooks.get(id, undefined), { failures: 2 })
    bed.receiver.status = 200
    bed.changeLeader()
    await bed.look()
    t.same(bed.types(), Array(4).fill('session.ended'))
    t.match(await bed.webhooks.get(id, undefined), {
      failures: 0,
      failingSince: undefined,
      lastError: undefined,
    })
  },
)

void t.test(
  'one event that is refused keeps its place; others are repeated only for a new leader',
  async (t) => {
    const bed = await startBed(t)
    await bed.add()
    await bed.run()
    await bed.run()
    bed.receiver.refused.add('3')
    await bed.look()
    const before = bed.received.map(({ id }) => id)
    t.notOk(before.includes('3') || before.includes('4'), 'its session waits')
    await bed.look()
    bed.receiver.refused.clear()
    bed.changeLeader()
    await bed.look()
    const ids = bed.received.map(({ id }) => Number(id))
    t.same(
      [...new Set(ids)].sort((a, b) => a - b),
      [1, 2, 3, 4, 5, 6, 7, 8],
    )
    for (const [session, wanted] of [
      [
        [1, 2, 3, 4],
        [3, 4],
      ],
      [[5, 6, 7, 8], []],
    ] as const) {
      const of = ids.filter((id) => (session as readonly number[]).includes(id))
      t.same(of.slice(of.length - wanted.length), wanted)
    }
  },
)

void t.test(
  'a webhook that fails for three days, or is gone, is disabled, and says so; it can begin again',
  async (t) => {
    const bed = await startBed(t)
    const { id } = await bed.add({ projectId: 'checkout' })
    await bed.run({ projectId: 'checkout' })
    bed.receiver.status = 500
    await bed.look()
    bed.hoursLater(71)
    await bed.look()
    t.equal((await bed.webhooks.get(id, undefined))?.disabledFor, undefined)
    bed.hoursLater(73)
    await bed.look()
    t.match(await bed.webhooks.get(id, undefined), { disabledFor: 'it answered 500', failures: 3 })
    const { events } = await bed.log.read(0, { projectId: 'checkout', types: new Set(['webhook.disabled']) })
    t.match(events, [{ event: { webhookId: id, reason: 'it answered 500', projectId: 'checkout' } }])
    t.equal((await bed.metrics.webhooksDisabled.get()).values[0]?.value, 1)
    bed.receiver.status = 200
    await bed.look()
    t.same(bed.received, [])
    await bed.webhooks.change(id, { active: true }, 'checkout', ops)
    await bed.look()
    t.same(bed.types().sort(), [...life, 'webhook.disabled'].sort())
    bed.receiver.status = 410
    await bed.run({ projectId: 'checkout' })
    await bed.look()
    t.match(await bed.webhooks.get(id, undefined), { disabledFor: /410/ })
  },
)

void t.test('replay: everything after an event is sent again', async (t) => {
  const bed = await startBed(t)
  const { id } = await bed.add()
  await bed.run()
  await bed.look()
  t.same(bed.types(), life)
  await bed.webhooks.change(id, { position: 2 }, undefined, ops)
  await bed.look()
  t.same(
    bed.received.map((one) => one.id),
    ['1', '2', '3', '4', '3', '4'],
  )
})

void t.test('one slow address holds up no other', async (t) => {
  const bed = await startBed(t)
  const { id } = await bed.add()
  const silent = createServer(() => undefined)
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    silent.closeAllConnections()
    silent.close()
  })
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`
  const stuck = await bed.add()
  await bed.webhooks.change(stuck.id, { url }, undefined, ops)
  bed.receiver.secret = signer.secretOf(id)
  await bed.run()
  const looking = bed.look()
  await until('the quick one', () => bed.received.length === 4)
  t.match(await bed.webhooks.get(stuck.id, undefined), { position: 0 })
  silent.closeAllConnections()
  await looking
})

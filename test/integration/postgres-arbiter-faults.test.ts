import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { startTcpProxy, type TcpProxy } from '../../bed/servers/tcp-proxy.ts'
import { endReason, type Session } from '../../src/domain/session.ts'
import type { OpenRecord } from '../../src/domain/session-ports.ts'
import { GreenroomError } from '../../src/errors.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { agentType, startAgents, startReplica } from '../sessions/open-bed.ts'
import { newRecord, podNamed } from '../stores/open-records.ts'
import { indexOn, postgresFor, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { assertInvariants } from '../support/invariants.ts'

/** PostgreSQL is the arbiter: without its answer nothing is promised, and everybody hears so in under two seconds. */

const database = await startDatabase(t)
const redisServer = await startIndexServer(t)

/** The promise is 2 s; the rest is for a machine on which everything else is tested at the same time. */
const answeredWithinMs = 2_000

interface Heard {
  readonly ms: number
  readonly session: Session | undefined
  readonly error: unknown
}

async function heard(open: () => Promise<{ session: Session }>): Promise<Heard> {
  const begun = performance.now()
  return open().then(
    ({ session }) => ({ ms: performance.now() - begun, session, error: undefined }),
    (error: unknown) => ({ ms: performance.now() - begun, session: undefined, error }),
  )
}

function assertRefused(t: Test, { ms, error }: Heard): void {
  t.match(error, { code: 'GRN_DATABASE_UNAVAILABLE', status: 503, retryAfterMs: 1_000 })
  t.ok(ms < answeredWithinMs, `${Math.round(ms)} ms`)
}

/** A replica whose PostgreSQL is behind a proxy, Redis and the agents at hand. */
async function startFarReplica(t: Test, pods: number, count = 1) {
  const agents = await startAgents(t, pods)
  const redis = await redisFor(t, redisServer.url)
  await redis.flushall()
  const index = indexOn(redis)
  await index.rebuild(agentType, agents.slots())
  const here = await postgresFor(t, database)
  const far: {
    proxy: TcpProxy
    replica: Awaited<ReturnType<typeof startReplica>>
    open: (key?: string) => Promise<{ session: Session }>
  }[] = []
  for (let n = 0; n < count; n += 1) {
    const url = new URL(here.url)
    const proxy = await startTcpProxy({ port: Number(url.port) })
    t.teardown(() => proxy.stop())
    url.port = String(proxy.port)
    const postgres = await postgresFor(t, database, { url: url.href })
    const connections = Array.from({ length: 4 }, () => [postgres.durable, postgres.relaxed]).flat()
    await until('connections', () =>
      Promise.all(connections.map((pool) => pool.query('SELECT 1'))).then(
        () => true,
        () => false,
      ),
    )
    const sessions = createPostgresSessionStore(postgres)
    const replica = await startReplica({ name: `api-${n}`, agents, sessions, index, poolSize: 1_000 })
    far.push({
      proxy,
      replica,
      open: (key) => replica.open({}, { ...(key !== undefined && { idempotencyKey: key }) }),
    })
  }
  const [first] = far
  if (!first) throw new Error('no replica')
  const rows = async <T extends object>(sql: string) => (await here.durable.query<T>(sql)).rows
  return { agents, index, far, proxy: first.proxy, open: first.open, here, rows, redis }
}

const faults: readonly { readonly name: string; readonly hurt: (proxy: TcpProxy) => void }[] = [
  { name: 'is stopped', hurt: (proxy) => proxy.set('refuse') },
  { name: 'hangs', hurt: (proxy) => proxy.set('half-open') },
  { name: 'answers later than a statement may take', hurt: (proxy) => proxy.set('delay', { delayMs: 600 }) },
  { name: 'takes as long as a connection may take', hurt: (proxy) => proxy.set('delay', { delayMs: 350 }) },
]

for (const { name, hurt } of faults) {
  void t.test(
    `PostgreSQL that ${name}: 503 in under 2 s, the slots go back, nothing is ACTIVE`,
    async (t) => {
      const { agents, index, proxy, open, rows } = await startFarReplica(t, 40)
      hurt(proxy)
      const answers = await Promise.all(Array.from({ length: 30 }, () => heard(() => open())))
      const told = answers.filter(({ session }) => session !== undefined)
      for (const answer of answers) if (!answer.session) assertRefused(t, answer)
      t.ok(told.length === 0 || name.includes('connection'), 'nobody is told of a session')
      await until('the slots are back', async () => (await index.size(agentType)) === 40 - told.length)
      proxy.set('pass')
      proxy.cut()
      const active = await rows<{ pod_uid: string; id: string }>(
        `SELECT * FROM sessions WHERE status = 'ACTIVE'`,
      )
      for (const { pod_uid, id } of active)
        t.equal(agents.agent(pod_uid).serving?.sessionId, id, 'ACTIVE was acknowledged')
      const session = await until('an open', () =>
        open().then(
          (answer) => answer.session,
          () => undefined,
        ),
      )
      t.match(session, { status: 'ACTIVE' })
    },
  )
}

void t.test('a table that somebody has locked: the same for all, however many wait behind it', async (t) => {
  const { index, open, here, rows } = await startFarReplica(t, 200)
  const blocker = await blockerOn(t, here.url)
  await blocker.query('BEGIN')
  await blocker.query('LOCK TABLE pod_claims IN ACCESS EXCLUSIVE MODE')
  const waves = await Promise.all(
    [0, 300, 600, 900].map(async (afterMs) => {
      await pause(afterMs)
      return Promise.all(Array.from({ length: 50 }, () => heard(() => open())))
    }),
  )
  for (const { ms, error } of waves.flat()) {
    if (ms >= answeredWithinMs || !(error instanceof GreenroomError) || error.retryAfterMs === undefined)
      t.fail(`${Math.round(ms)} ms: ${String(error)}`)
  }
  t.comment(
    `200 opens refused, the last after ${Math.round(Math.max(...waves.flat().map(({ ms }) => ms)))} ms`,
  )
  t.equal(await index.size(agentType), 200, 'every slot went back')
  await blocker.query('ROLLBACK')
  t.strictSame(await rows('SELECT * FROM sessions'), [])
  t.match(await open(), { session: { status: 'ACTIVE' } })
})

async function blockerOn(t: Test, url: string): Promise<Client> {
  const blocker = new Client({ connectionString: url })
  await blocker.connect()
  t.teardown(() => blocker.end())
  return blocker
}

void t.test('one row that somebody holds refuses its own caller, none of its neighbours', async (t) => {
  const postgres = await postgresFor(t, database)
  const store = createPostgresSessionStore(postgres)
  const blocker = await blockerOn(t, postgres.url)
  const opened = (await Promise.all(Array.from({ length: 20 }, () => store.commitOpen(newRecord())))).flatMap(
    (outcome) => (outcome.kind === 'committed' ? [outcome.session] : []),
  )
  const held = opened[7]?.id ?? ''
  await blocker.query('BEGIN')
  await blocker.query(`INSERT INTO pod_claims (pod_uid, purpose) VALUES ('contended', 'retired')`)
  await blocker.query('SELECT FROM sessions WHERE id = $1 FOR UPDATE', [held])
  const records = Array.from({ length: 20 }, (_, n) =>
    newRecord(n === 7 ? { pod: podNamed('contended') } : {}),
  )
  const groups: Record<string, (n: number) => Promise<unknown>> = {
    open: (n) => store.commitOpen(records[n] as OpenRecord),
    activate: (n) => store.activate(opened[n]?.id ?? '', 1),
    renew: (n) => store.renew(opened[n]?.id ?? '', 1),
  }
  for (const [name, ask] of Object.entries(groups)) {
    const begun = performance.now()
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => ask(n)))
    const ms = performance.now() - begun
    t.strictSame(
      outcomes.flatMap(({ status }, n) => (status === 'rejected' ? [n] : [])),
      [7],
      name,
    )
    t.match(outcomes[7], { reason: { code: 'GRN_DATABASE_UNAVAILABLE', retryAfterMs: 1_000 } })
    t.ok(ms < answeredWithinMs, `${name}: ${Math.round(ms)} ms`)
  }
  await blocker.query('ROLLBACK')
  t.match(await store.commitOpen(newRecord({ pod: podNamed('contended') })), { kind: 'committed' })
})

void t.test('a storm over three replicas while PostgreSQL is cut, slow and stopped in turn', async (t) => {
  const bed = await startFarReplica(t, 160, 3)
  const ending = new AbortController()
  const trouble = (async () => {
    const modes = [
      (proxy: TcpProxy) => proxy.cut(),
      (proxy: TcpProxy) => proxy.set('drop-replies'),
      (proxy: TcpProxy) => proxy.set('delay', { delayMs: 400 }),
      (proxy: TcpProxy) => proxy.set('refuse'),
    ]
    for (let n = 0; !ending.signal.aborted; n += 1) {
      const proxy = bed.far[n % 3]?.proxy
      if (proxy) modes[n % 4]?.(proxy)
      await pause(120)
      proxy?.set('pass')
      proxy?.cut()
      await pause(120)
    }
  })()
  const answers = await Promise.all(
    Array.from({ length: 120 }, async (_, n) => {
      await pause(n * 20)
      return heard(() => bed.far[n % 3]?.open(`k${n}`) as Promise<{ session: Session }>)
    }),
  )
  ending.abort()
  await trouble
  const told = answers.flatMap(({ session }) => session ?? [])
  t.comment(`${told.length} of 120 opened`)
  t.equal(new Set(told.map(({ pod }) => pod?.uid)).size, told.length, 'no pod twice')
  for (const { error } of answers) if (error !== undefined && !(error instanceof GreenroomError)) throw error
  await Promise.all(bed.far.map(({ replica }) => replica.activationsDone()))
  // Of opens whose commit was never answered: their pods are asked long after, and say no for good.
  await bed.here.durable.query(
    `UPDATE sessions SET claimed_at = claimed_at - interval '10 s' WHERE status = 'PENDING'`,
  )
  await bed.far[0]?.replica.sessionApi.settleLeftBehind()
  // Of a replica that died between commit and delivery and answers nothing before its rows are ACTIVE.
  await createPostgresSessionStore(bed.here).commitOpen(newRecord())
  const rows = await bed.rows<{ id: string; status: string; pod_uid: string; epoch: number }>(
    'SELECT * FROM sessions',
  )
  for (const row of rows.filter(({ status }) => status === 'ACTIVE')) {
    const { serving } = bed.agents.agent(row.pod_uid)
    if (serving?.sessionId !== row.id || serving.epoch !== row.epoch)
      t.fail(`${row.id} was never acknowledged`)
  }
  for (const { id } of told)
    if (!rows.some((row) => row.id === id && row.status === 'ACTIVE')) t.fail(`${id} is lost`)

  // A session whose open was never answered stays PENDING until its lease is over, whether renewals were possible or not.
  const ledger = createPostgresClaimLedger(bed.here)
  await bed.here.durable.query(
    `UPDATE sessions SET lease_expires_at = now() - interval '1 ms' WHERE status = 'PENDING'`,
  )
  await bed.here.durable.query(
    `UPDATE renewal_service SET alive_at = '-infinity', gap_ended_at = '-infinity'`,
  )
  const pending = rows.filter(({ status }) => status === 'PENDING')
  const lapsed = await ledger.lapse(1_000)
  t.strictSame(lapsed.map(({ id }) => id).sort(), pending.map(({ id }) => id).sort())
  t.comment(`${pending.length} were left PENDING and lapsed`)
  t.ok(lapsed.every(({ status, endReason: reason }) => status === 'ENDING' && reason === endReason.abandoned))
  // The controller's part: the pods of those go.
  for (const { id, pod } of lapsed) {
    if (pod) bed.agents.pods.remove(pod.uid)
    await ledger.finishEnding([id])
  }
  const retired = await bed.rows<{ pod_uid: string }>(`SELECT * FROM pod_claims WHERE purpose = 'retired'`)
  for (const { pod_uid } of retired) bed.agents.pods.remove(pod_uid)
  const free = bed.agents.pods.view.all().filter(({ uid }) => !rows.some((row) => row.pod_uid === uid))
  await bed.index.rebuild(
    agentType,
    free.map(({ uid }, rank) => ({ podUid: uid, rank })),
  )
  const target = { databaseUrl: bed.here.url, redisUrl: redisServer.url, pods: bed.agents.pods.view }
  await assertInvariants(t, target, { withinMs: 15_000 })
})

void t.test('every connection has its time-outs', async (t) => {
  const { durable, relaxed, fresh } = await postgresFor(t, database)
  for (const pool of [durable, relaxed, fresh]) {
    const show = async (name: string) =>
      (await pool.query<Record<string, string>>(`SHOW ${name}`)).rows[0]?.[name]
    t.equal(await show('statement_timeout'), '900ms')
    t.equal(await show('lock_timeout'), '400ms')
    t.equal(await show('idle_in_transaction_session_timeout'), '900ms')
    t.equal(await show('synchronous_commit'), pool === relaxed ? 'off' : 'on')
  }
})

import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createIndexSync } from '../../src/controllers/index-sync.ts'
import { observePool } from '../../src/domain/pool-observation.ts'
import { GreenroomError } from '../../src/errors.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createIndexHealth } from '../../src/roles/index-health.ts'
import type { OpenAnswer } from '../../src/sessions/open-session.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { canWrite, createRedis } from '../../src/stores/redis-client.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { createRedisSlotIndex } from '../../src/stores/redis-slot-index.ts'
import { type Agents, agentType, startAgents, startReplica } from '../sessions/open-bed.ts'
import { indexOn, postgresFor, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { assertInvariants } from '../support/invariants.ts'
import { keptLog, silent } from '../support/kept-log.ts'
import { notePods } from '../support/noted-pods.ts'

/**
 * Redis is only an index: whatever becomes of it in the middle of a storm over three replicas, every open gets a pod of
 * its own, and the controller has built the index again within 5 s of Redis' return.
 */

const database = await startDatabase(t)
const redisServer = await startIndexServer(t)

const podCount = 150
/** Fewer than pods: an open that gets none has failed because of Redis. */
const openCount = 110
/** The whole storm takes some 2 s, most of it with the fault. */
const arrivalMs = 15
const rebuiltWithinMs = 5_000
/** What was reserved just before its return lapses after 5 s, and the next whole rebuild makes good what that brings back. */
const trueWithinMs = 12_000

async function startStorm(t: Test) {
  const agents = await startAgents(t, podCount)
  const url = await database.fresh()
  const postgres = await postgresFor(t, database, { url })
  await notePods(postgres, [...agents.agents.keys()])
  const redis = await redisFor(t, redisServer.url)
  await redis.flushall()
  const controller = keepIndex(t, agents, { postgres, index: indexOn(redis) })
  const health = keepLooking(t)
  await until('the index is built', async () => (await indexOn(redis).size(agentType)) === podCount)
  await until('well', () => health.isWell())
  const replicas = await Promise.all(
    ['api-1', 'api-2', 'api-3'].map(async (name) => {
      const sessions = createPostgresSessionStore(await postgresFor(t, database, { url }))
      const index = indexOn(await redisFor(t, redisServer.url))
      return startReplica({ name, agents, sessions, index, poolSize: 1_000 })
    }),
  )
  const open = (n: number) =>
    replicas[n % 3]?.open({ onEmpty: 'wait' }, { idempotencyKey: `k${n}` }) as Promise<OpenAnswer>
  return { agents, url, postgres, redis, controller, health, open }
}

/** The controller's part: keeps the index equal to what Kubernetes and PostgreSQL say. */
function keepIndex(
  t: Test,
  agents: Agents,
  {
    postgres,
    index,
  }: { postgres: Awaited<ReturnType<typeof postgresFor>>; index: ReturnType<typeof indexOn> },
) {
  const ledger = createPostgresClaimLedger(postgres)
  const wakes = { publish: () => undefined, subscribe: () => () => undefined }
  const sync = createIndexSync({ index, wakes, now: () => performance.now() })
  const ready = async () => {
    const pods = agents.pods.view.all()
    const claims = await ledger.claimsOf(pods.map(({ uid }) => uid))
    return observePool({ agentType, pods, claims, templateHash: undefined }).slots
  }
  repeat(t, async () => {
    const look = await sync.look(agentType)
    await sync.sync(agentType, await ready(), { look })
  })
  return {
    free: async () => (await ready()).filter((slot) => slot.state === 'ready').map((slot) => slot.podUid),
  }
}

/** An API replica's look at the index, with a connection and a metric of its own. */
function keepLooking(t: Test) {
  const redis = createRedis(redisServer.url, silent)
  t.teardown(() => redis.disconnect())
  const metrics = createMetrics()
  const index = createRedisSlotIndex({ redis, logger: silent, metrics, now: () => performance.now() })
  const health = createIndexHealth({ index, probeRedis: () => canWrite(redis) }, () => [agentType], metrics)
  repeat(t, () => health.look())
  return {
    isWell: () => health.isWell(),
    metric: async () => (await metrics.indexUnknown.get()).values[0]?.value,
  }
}

function repeat(t: Test, work: () => Promise<unknown>): void {
  const ending = new AbortController()
  const loop = (async () => {
    while (!ending.signal.aborted) {
      await work().catch((error: unknown) => {
        // PostgreSQL on a busy machine; the next look is a moment away.
        if (!(error instanceof GreenroomError)) throw error
      })
      await pause(100)
    }
  })()
  t.teardown(async () => {
    ending.abort()
    await loop
  })
}

interface Fault {
  readonly name: string
  readonly hurt: (admin: Redis) => Promise<unknown>
  readonly heal: (admin: Redis) => Promise<unknown>
  /** How long it lasts; 0 for one that is over as soon as it has happened. */
  readonly lastsMs: number
}

const signal = (name: 'SIGSTOP' | 'SIGCONT') => Promise.resolve(process.kill(redisServer.pid, name))
const nothing = () => Promise.resolve()

const faults: readonly Fault[] = [
  { name: 'wiped', hurt: (admin) => admin.flushall(), heal: nothing, lastsMs: 0 },
  {
    name: 'killed and started empty',
    hurt: () => redisServer.restart({ flush: true }),
    heal: nothing,
    lastsMs: 0,
  },
  { name: 'stopped for 3 s', hurt: () => signal('SIGSTOP'), heal: () => signal('SIGCONT'), lastsMs: 3_000 },
  {
    name: 'away for 3 s',
    hurt: () => redisServer.kill(),
    heal: () => redisServer.restart({ flush: true }),
    lastsMs: 3_000,
  },
  {
    name: 'read-only, as after a failover',
    hurt: (admin) => admin.replicaof('127.0.0.1', 1),
    heal: (admin) => admin.replicaof('NO', 'ONE'),
    lastsMs: 3_000,
  },
  {
    name: 'evicting keys at random',
    // Less than an empty Redis needs: every key goes, at some moment.
    hurt: async (admin) => {
      await admin.config('SET', 'maxmemory-policy', 'allkeys-random')
      await admin.config('SET', 'maxmemory', '1mb')
    },
    heal: async (admin) => {
      await admin.config('SET', 'maxmemory', '0')
      await admin.config('SET', 'maxmemory-policy', 'noeviction')
    },
    lastsMs: 3_000,
  },
]

/** Opens one after the other, none waiting for the one before; as clients do, each asks again when PostgreSQL is busy. */
async function storm(open: (n: number) => Promise<OpenAnswer>): Promise<PromiseSettledResult<OpenAnswer>[]> {
  const answers: Promise<OpenAnswer>[] = []
  const begun = performance.now()
  for (let n = 0; n < openCount; n += 1) {
    const answer = askAgain(() => open(n))
    // Looked at when all have been asked.
    answer.catch(() => undefined)
    answers.push(answer)
    await pause(Math.max(0, begun + (n + 1) * arrivalMs - performance.now()))
  }
  return Promise.allSettled(answers)
}

async function askAgain(open: () => Promise<OpenAnswer>): Promise<OpenAnswer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await open()
    } catch (error) {
      const isBusy = error instanceof GreenroomError && error.code === 'GRN_DATABASE_UNAVAILABLE'
      if (!isBusy || tries === 10) throw error
    }
  }
}

for (const fault of faults) {
  void t.test(
    `Redis ${fault.name}: each open its own pod, the index is built again within 5 s`,
    async (t) => {
      const bed = await startStorm(t)
      const admin = new Redis(redisServer.socketPath, { retryStrategy: () => 50 })
      admin.on('error', () => undefined)
      t.teardown(() => admin.disconnect())
      const answers = storm(bed.open)
      await pause(300)
      await fault.hurt(admin)
      if (fault.lastsMs > 0) {
        await until('degraded', () => !bed.health.isWell())
        t.equal(await bed.health.metric(), 1, 'the metric shows it')
        await pause(fault.lastsMs)
      }
      await fault.heal(admin)
      const healed = performance.now()
      await until('well again', () => bed.health.isWell())
      t.equal(await bed.health.metric(), 0)
      const rebuilt = performance.now() - healed
      t.ok(rebuilt < rebuiltWithinMs, `built again after ${Math.round(rebuilt)} ms`)
      assertEachItsOwn(t, await answers, bed.agents)
      await until('the index is what Kubernetes and PostgreSQL say', () => isTrue(bed), trueWithinMs)
      await assertInvariants(
        t,
        { databaseUrl: bed.url, redisUrl: redisServer.url, pods: bed.agents.pods.view },
        { withinMs: 15_000 },
      )
    },
  )
}

/**
 * Every pod on offer is free, and every free pod is on offer or reserved. A Redis that was stopped still executes the
 * reservations of opens that have long gone on without it; they lapse like any other.
 */
async function isTrue({ redis, controller }: Awaited<ReturnType<typeof startStorm>>): Promise<boolean> {
  const { ready, reservations } = poolKeys(agentType)
  const free = await controller.free()
  const offered = await redis.zrange(ready, '0', '-1')
  const inHand = Object.values(await redis.hgetall(reservations)).map((record) => record.split(' ').at(-1))
  return (
    offered.every((uid) => free.includes(uid)) && free.every((uid) => [...offered, ...inHand].includes(uid))
  )
}

function assertEachItsOwn(
  t: Test,
  outcomes: readonly PromiseSettledResult<OpenAnswer>[],
  agents: Agents,
): void {
  const refused = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [String(outcome.reason)] : [],
  )
  t.strictSame(refused, [], 'none is refused')
  const sessions = outcomes.flatMap((outcome) =>
    outcome.status === 'fulfilled' ? [outcome.value.session] : [],
  )
  t.equal(new Set(sessions.map(({ pod }) => pod?.uid)).size, openCount, 'no pod twice')
  for (const { id, epoch, pod } of sessions) {
    const { serving, assignments } = agents.agent(pod?.uid ?? '')
    if (serving?.sessionId !== id || serving.epoch !== epoch) t.fail(`${pod?.uid} serves another`)
    if (assignments.some(({ sessionId }) => sessionId !== id)) t.fail(`${pod?.uid} was offered to another`)
  }
}

void t.test('Redis that may evict the index is warned of, at every connection', async (t) => {
  const { logger, lines } = keptLog('warn')
  const admin = await redisFor(t, redisServer.url)
  await admin.config('SET', 'maxmemory', '100mb')
  await admin.config('SET', 'maxmemory-policy', 'allkeys-random')
  t.teardown(async () => {
    await admin.config('SET', 'maxmemory', '0')
    await admin.config('SET', 'maxmemory-policy', 'noeviction')
  })
  const redis = createRedis(redisServer.url, logger)
  t.teardown(() => redis.disconnect())
  const warning = await until('the warning', () => lines.find((line) => line.includes('may evict')))
  t.match(JSON.parse(warning), { policy: 'allkeys-random', limit: '104857600' })
})

import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { OpenQuota, ProjectLimits } from '../../src/domain/project-limits.ts'
import type { OpenRequest } from '../../src/domain/session-request.ts'
import { GreenroomError } from '../../src/errors.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Opening } from '../../src/sessions/opening.ts'
import { createProjectGate } from '../../src/sessions/project-gate.ts'
import { createPostgresProjectLimits } from '../../src/stores/postgres-project-limits.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { createRedisProjectQuotas } from '../../src/stores/redis-project-quotas.ts'
import { indexOn, postgresFor, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { silent } from '../support/kept-log.ts'
import { noProjectQuotas } from '../support/memory-project-limits.ts'
import { notePods } from '../support/noted-pods.ts'
import { someActor } from '../support/some-actor.ts'
import { openAll, openAvailable, requestsOf } from './open-batch-bed.ts'
import { agentType, startAgents, startReplica } from './open-bed.ts'

/** Limits of projects over three replicas, each with connections of its own, on real Redis and PostgreSQL. */

const database = await startDatabase(t)
const redisServer = await startIndexServer(t)

interface BedOptions {
  readonly pods: number
  readonly limits: Readonly<Record<string, ProjectLimits>>
  /** Cuts the replicas off from Redis, once the index was built there. */
  readonly isRedisAway?: boolean
  readonly ready?: number
}

async function startReplicas(t: Test, { pods, limits, isRedisAway = false, ready = pods }: BedOptions) {
  const agents = await startAgents(t, pods)
  const url = await database.fresh()
  const postgres = await postgresFor(t, database, { url })
  await notePods(postgres, [...agents.agents.keys()])
  const store = createPostgresProjectLimits(postgres)
  for (const [projectId, its] of Object.entries(limits)) await store.set(projectId, its, someActor)
  const own = await redisFor(t, redisServer.url)
  await own.flushall()
  await indexOn(own).rebuild(agentType, agents.slots().slice(0, ready))
  const start = async (name: string) => {
    const connections = await postgresFor(t, database, { url })
    const redis = await redisFor(t, redisServer.url)
    const replica = await startReplica({
      name,
      agents,
      sessions: createPostgresSessionStore(connections),
      index: indexOn(redis),
      projectLimits: createPostgresProjectLimits(connections),
      projectQuotas: createRedisProjectQuotas({ redis, logger: silent, now: () => performance.now() }),
    })
    await replica.projectLimits.look()
    if (isRedisAway) redis.disconnect()
    return replica
  }
  const replicas = [await start('api-1'), await start('api-2'), await start('api-3')] as const
  const open = async (n: number, request: Partial<OpenRequest>, onQuota = (_quota: OpenQuota) => {}) => {
    try {
      return { session: (await (replicas[n % 3] ?? replicas[0]).open(request, { onQuota })).session }
    } catch (error) {
      if (!(error instanceof GreenroomError)) throw error
      return { refusal: error }
    }
  }
  return {
    replicas,
    redis: own,
    store,
    open,
    openMany: async (count: number, request: Partial<OpenRequest>) => {
      const answers = await Promise.all(Array.from({ length: count }, (_, n) => open(n, request)))
      const codes = answers.map(({ refusal }) => refusal?.code ?? 'opened')
      return Object.fromEntries(
        Map.groupBy(codes, (code) => code)
          .entries()
          .map(([code, { length }]) => [code, length]),
      )
    },
    metric: async (name: 'projectRefusals' | 'projectUnchecked') => {
      const values = await Promise.all(replicas.map(({ metrics }) => metrics[name].get()))
      return values.flatMap((one) => one.values).reduce((sum, { value }) => sum + value, 0)
    },
  }
}

for (const isRedisAway of [false, true])
  void t.test(
    `64 opens at once over three replicas${isRedisAway ? ', without Redis' : ''}: as many sessions as the project may have`,
    async (t) => {
      const bed = await startReplicas(t, { pods: 60, limits: { tea: { maxSessions: 10 } }, isRedisAway })
      const [tea, coffee] = await Promise.all([
        bed.openMany(64, { projectId: 'tea' }),
        bed.openMany(12, { projectId: 'coffee' }),
      ])
      t.same(tea, { opened: 10, GRN_PROJECT_LIMIT: 54 })
      t.same(coffee, { opened: 12 })
      t.match(await bed.store.get('tea'), { sessions: 10 })
      t.equal(await bed.metric('projectRefusals'), 54)
    },
  )

void t.test(
  'an atomic batch has room for all of its sessions, in the project and in the minute',
  async (t) => {
    const limits = { tea: { maxSessions: 4 }, coffee: { opensPerMinute: 4 } }
    const { replicas, store, redis } = await startReplicas(t, { pods: 12, limits })
    const batch = (count: number, projectId: string) => openAll(replicas[0], requestsOf(count, { projectId }))
    t.equal((await batch(3, 'tea')).length, 3)
    await t.rejects(batch(2, 'tea'), { code: 'GRN_PROJECT_LIMIT', message: /as many sessions as it may/ })
    t.match(await store.get('tea'), { sessions: 3 }, 'nothing of it was opened')
    await t.rejects(batch(5, 'coffee'), { code: 'GRN_RATE_LIMITED' })
    t.equal((await batch(4, 'coffee')).length, 4, 'the refused one did not count')
    await t.rejects(batch(1, 'coffee'), { code: 'GRN_RATE_LIMITED' })
    await until(
      'nothing is reserved',
      async () => (await redis.hlen(`greenroom:{${agentType}}:reservations`)) === 0,
    )
  },
)

void t.test(
  'a batch that is not atomic gets what room there is, also after its project was full',
  async (t) => {
    const { replicas } = await startReplicas(t, { pods: 12, limits: { tea: { maxSessions: 4 } } })
    const opened = (results: Awaited<ReturnType<typeof openAvailable>>) =>
      results.filter((result) => 'answer' in result).length
    t.equal(opened(await openAvailable(replicas[0], requestsOf(6, { projectId: 'tea' }))), 4)
  },
)

void t.test(
  'a project that was full is tried with one open in a while, and forgotten after five seconds',
  async (t) => {
    let ms = 0
    const gate = createProjectGate({
      limits: { of: () => ({ maxSessions: 9 }) },
      quotas: noProjectQuotas,
      metrics: createMetrics(),
      now: () => ms,
    })
    const opening = { request: { agentType, projectId: 'tea' }, context: {} } as unknown as Opening
    const admitted = async (count: number) => {
      const answers = await Promise.allSettled(Array.from({ length: count }, () => gate.admit(opening)))
      for (const answer of answers) if (answer.status === 'fulfilled') answer.value()
      return answers.filter(({ status }) => status === 'fulfilled').length
    }
    gate.full('tea')
    t.equal(await admitted(5), 0)
    ms += 251
    t.equal(await admitted(5), 1, 'a probe')
    ms += 5_300
    t.equal(await admitted(5), 5)
  },
)

void t.test('a retry under its key is answered although the project is full', async (t) => {
  const { replicas, open } = await startReplicas(t, { pods: 2, limits: { tea: { maxSessions: 1 } } })
  const context = { idempotencyKey: 'k' }
  const first = await replicas[0].open({ projectId: 'tea' }, context)
  t.match(await open(0, { projectId: 'tea' }), {
    refusal: { code: 'GRN_PROJECT_LIMIT', retryAfterMs: 5_000 },
  })
  const again = await replicas[1].open({ projectId: 'tea' }, context)
  t.equal(again.session.id, first.session.id)
})

void t.test('opens in a minute are counted over all replicas, and the minute ends', async (t) => {
  const { open, openMany, redis } = await startReplicas(t, {
    pods: 9,
    limits: { tea: { opensPerMinute: 3 } },
  })
  const quotas: OpenQuota[] = []
  for (let n = 0; n < 3; n += 1) await open(n, { projectId: 'tea' }, (quota) => quotas.push(quota))
  t.match(quotas, [
    { isTaken: true, most: 3, remaining: 2 },
    { isTaken: true, remaining: 1 },
    { isTaken: true, remaining: 0 },
  ])
  const { refusal } = await open(1, { projectId: 'tea' }, (quota) => quotas.push(quota))
  t.match(refusal, { code: 'GRN_RATE_LIMITED', retryAfterMs: quotas[3]?.resetMs })
  t.ok((refusal?.retryAfterMs ?? 0) > 1_000 && (refusal?.retryAfterMs ?? 0) <= 60_000)
  t.same(await openMany(2, { projectId: 'coffee' }), { opened: 2 })
  // As when the minute is over.
  const [key = ''] = await redis.keys('greenroom:project:*:opens')
  await redis.pexpire(key, 1)
  await until('the next minute', async () => (await redis.exists(key)) === 0)
  t.match(await open(2, { projectId: 'tea' }), { session: { status: 'ACTIVE' } })
})

void t.test('without Redis no open is refused for the number of opens, and that is counted', async (t) => {
  const bed = await startReplicas(t, {
    pods: 9,
    limits: { tea: { opensPerMinute: 1, maxWaiting: 0 } },
    isRedisAway: true,
  })
  t.same(await bed.openMany(6, { projectId: 'tea' }), { opened: 6 })
  t.equal(await bed.metric('projectUnchecked'), 6)
})

void t.test(
  'a project keeps no more than its places in the queue, and gives each of them back',
  async (t) => {
    const { replicas, open, openMany, redis } = await startReplicas(t, {
      pods: 3,
      ready: 0,
      limits: { tea: { maxWaiting: 2 } },
    })
    const key = 'greenroom:project:{tea}:waiting'
    const patient = { projectId: 'tea', onEmpty: 'wait', waitMs: 60_000 } as const
    const waiting = [open(0, patient), open(1, patient)]
    await until('two wait', async () => (await redis.zcard(key)) === 2)
    t.match(await open(2, patient), { refusal: { code: 'GRN_PROJECT_LIMIT', retryAfterMs: 1_000 } })
    t.same(
      await openMany(1, { projectId: 'tea' }),
      { GRN_POOL_EMPTY: 1 },
      'one that does not wait takes no place',
    )
    await indexOn(redis).add(agentType, [{ podUid: 'pod-0', rank: 0 }])
    for (const { tellIndexed } of replicas) tellIndexed()
    await Promise.race(waiting)
    await until('the place of the served one is free', async () => (await redis.zcard(key)) === 1)
    const next = open(2, patient)
    await until('it is taken', async () => (await redis.zcard(key)) === 2)
    await indexOn(redis).add(
      agentType,
      ['pod-1', 'pod-2'].map((podUid, rank) => ({ podUid, rank })),
    )
    for (const { tellIndexed } of replicas) tellIndexed()
    t.match(await Promise.all([...waiting, next]), Array(3).fill({ session: { status: 'ACTIVE' } }))
    await until('no place is left over', async () => (await redis.zcard(key)) === 0)
  },
)

void t.test(
  'a changed limit is in force in every replica that hears of it, and in the others by their looks',
  async (t) => {
    const bed = await startReplicas(t, { pods: 4, limits: { tea: { opensPerMinute: 1 } } })
    const [first, second] = bed.replicas
    await first.projectLimits.set('tea', { opensPerMinute: 100 }, someActor)
    t.match(first.published, [{ kind: 'limits' }])
    t.equal(first.projectLimits.of('tea')?.opensPerMinute, 100, 'at once where it was changed')
    t.equal(second.projectLimits.of('tea')?.opensPerMinute, 1)
    second.tell({ kind: 'limits' })
    await until('heard of', () => second.projectLimits.of('tea')?.opensPerMinute === 100)
  },
)

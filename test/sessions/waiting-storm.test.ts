import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { SlotIndex } from '../../src/domain/index-ports.ts'
import { GreenroomError } from '../../src/errors.ts'
import type { OpenAnswer } from '../../src/sessions/open-session.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { indexOn, postgresFor, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { notePods } from '../support/noted-pods.ts'
import { agentType, startAgents, startReplica } from './open-bed.ts'

/** Waiting over three replicas on real Redis: in order, without starving, and not for the dead. */

const database = await startDatabase(t)
const redisServer = await startIndexServer(t)

async function startReplicas(t: Test, pods: number) {
  const agents = await startAgents(t, pods)
  const url = await database.fresh()
  await notePods(await postgresFor(t, database, { url }), [...agents.agents.keys()])
  const own = await redisFor(t, redisServer.url)
  await own.flushall()
  const index = indexOn(own)
  await index.rebuild(agentType, [])
  const start = async (name: string) => {
    const sessions = createPostgresSessionStore(await postgresFor(t, database, { url }))
    const redis = await redisFor(t, redisServer.url)
    const index = mortal(indexOn(redis))
    return { ...(await startReplica({ name, agents, sessions, index })), die: () => index.die() }
  }
  const replicas = [await start('api-1'), await start('api-2'), await start('api-3')] as const
  return {
    agents,
    index,
    replicas,
    free: async (from: number, count: number): Promise<void> => {
      const slots = Array.from({ length: count }, (_, n) => ({ podUid: `pod-${from + n}`, rank: from + n }))
      await index.add(agentType, slots)
      for (const { tellIndexed } of replicas) tellIndexed()
    },
  }
}

/** After `die` nothing is asked and nothing answered any more, as after kill -9. */
function mortal(index: SlotIndex): SlotIndex & { die: () => void } {
  let dead = false
  return new Proxy(Object.assign(index, { die: () => undefined }), {
    get(target, name: keyof SlotIndex | 'die') {
      if (name === 'die') return () => (dead = true)
      return (...given: never[]) =>
        dead ? new Promise(() => {}) : (target[name] as (...given: never[]) => unknown)(...given)
    },
  })
}

const patient = { onEmpty: 'wait', waitMs: 20_000 } as const

void t.test('first come, first served, whichever replica they came to', async (t) => {
  const { replicas, free, index } = await startReplicas(t, 9)
  const served: number[] = []
  const opens: Promise<unknown>[] = []
  for (let n = 0; n < 9; n += 1) {
    opens.push(
      replicas[n % 3]?.open(patient).then(() => served.push(n)) ?? Promise.reject(new Error('no replica')),
    )
    await until(`${n + 1} wait`, async () => (await index.waiting(agentType)) === n + 1)
  }
  for (let n = 0; n < 9; n += 1) {
    await free(n, 1)
    await until(`${n + 1} served`, () => served.length === n + 1)
  }
  await Promise.all(opens)
  t.same(served, [0, 1, 2, 3, 4, 5, 6, 7, 8])
})

void t.test('a newcomer never passes a live waiter, not even at another replica', async (t) => {
  const { replicas, free, index, agents } = await startReplicas(t, 1)
  const [first, second] = replicas
  const waiting = first.open(patient)
  await until('one waits', async () => (await index.waiting(agentType)) === 1)
  await index.add(agentType, [{ podUid: 'pod-0', rank: 0 }])
  await t.rejects(second.open({ onEmpty: 'fail' }), { code: 'GRN_POOL_EMPTY' })
  const { session } = await waiting
  t.equal(agents.agent('pod-0').serving?.sessionId, session.id)
  await free(0, 0)
})

void t.test('waiters of a replica that died swallow no pod', async (t) => {
  const { replicas, index, agents, free } = await startReplicas(t, 1)
  const [dying, alive] = replicas
  const gone = new AbortController()
  void dying.open(patient, { signal: gone.signal }).catch((error: unknown) => error)
  await until('one waits', async () => (await index.waiting(agentType)) === 1)
  dying.die()
  const waiting = alive.open(patient)
  await until('two wait', async () => (await index.waiting(agentType)) === 2)
  await free(0, 1)
  const { session } = await waiting
  t.equal(agents.agent('pod-0').serving?.sessionId, session.id)
  gone.abort()
})

void t.test('who hangs up leaves the queue to the next', async (t) => {
  const { replicas, index, free } = await startReplicas(t, 1)
  const [a, b] = replicas
  const gone = new AbortController()
  const first = a.open(patient, { signal: gone.signal })
  await until('one waits', async () => (await index.waiting(agentType)) === 1)
  const second = b.open(patient)
  await until('two wait', async () => (await index.waiting(agentType)) === 2)
  gone.abort()
  await t.rejects(first, { code: 'GRN_POOL_EMPTY' })
  await until('one waits again', async () => (await index.waiting(agentType)) === 1)
  await free(0, 1)
  t.match(await second, { session: { status: 'ACTIVE', pod: { uid: 'pod-0' } } })
})

void t.test(
  'three times the pool at once: each is answered truthfully, as many as there are pods get one',
  async (t) => {
    const { replicas, free, agents } = await startReplicas(t, 20)
    await free(0, 20)
    const opens = Array.from({ length: 60 }, (_, n) =>
      (replicas[n % 3] ?? replicas[0]).open({ onEmpty: 'wait', waitMs: 1_500 }),
    )
    const outcomes = await Promise.allSettled(opens)
    const answers = outcomes.flatMap((outcome): OpenAnswer[] =>
      outcome.status === 'fulfilled' ? [outcome.value] : [],
    )
    t.equal(answers.length, 20)
    t.equal(new Set(answers.map(({ session }) => session.pod?.uid)).size, 20)
    for (const { session } of answers)
      t.equal(agents.agent(session.pod?.uid ?? '').serving?.sessionId, session.id)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected')
        t.match(outcome.reason, { code: 'GRN_POOL_EMPTY', retryAfterMs: Number })
  },
)

void t.test('a replica that drains tells its waiters to go elsewhere', async (t) => {
  const { replicas, index } = await startReplicas(t, 1)
  const draining = new AbortController()
  const waiting = replicas[0].open(patient, { signal: draining.signal })
  await until('one waits', async () => (await index.waiting(agentType)) === 1)
  draining.abort(new GreenroomError('GRN_SHUTTING_DOWN', undefined, { retryAfterMs: 1_000 }))
  await t.rejects(waiting, { code: 'GRN_SHUTTING_DOWN', retryAfterMs: 1_000 })
})

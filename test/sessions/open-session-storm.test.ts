import fc from 'fast-check'
import t, { type Test } from 'tap'
import { GreenroomError } from '../../src/errors.ts'
import type { OpenAnswer } from '../../src/sessions/open-session.ts'
import { agentType } from './open-bed.ts'
import { type StormBed, startStormServers } from './three-replicas.ts'

/** Many opens over three replicas: whatever happens, no pod serves two sessions, and every answer is true. */

const { start, redisServer } = await startStormServers(t)

/** As clients do: on a machine so busy that PostgreSQL does not answer in time, the same key is sent again. */
async function openAsClient(
  replica: ReturnType<StormBed['replica']>,
  key: string,
  request: { onEmpty?: 'wait' } = {},
): Promise<OpenAnswer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await replica.open(request, { idempotencyKey: key })
    } catch (error) {
      const isBusy = error instanceof GreenroomError && error.code === 'GRN_DATABASE_UNAVAILABLE'
      if (!isBusy || tries === 10) throw error
    }
  }
}

/** Compares what callers heard with what agents serve and PostgreSQL says. */
async function assertTrue(
  t: Test,
  outcomes: readonly PromiseSettledResult<OpenAnswer>[],
  { agents, postgres, activationsDone }: StormBed,
) {
  const answers = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const sessions = new Map(answers.map(({ session }) => [session.id, session]))
  t.equal(
    new Set([...sessions.values()].map((session) => session.pod?.uid ?? '')).size,
    sessions.size,
    'no pod twice',
  )
  for (const session of sessions.values()) {
    const { serving } = agents.agent(session.pod?.uid ?? '')
    if (serving?.sessionId !== session.id || serving.epoch !== session.epoch)
      t.fail(`${session.pod?.uid ?? ''} serves another`)
  }
  for (const agent of agents.all()) {
    const taken = new Set(agent.assignments.map((assignment) => assignment.sessionId))
    if (taken.size > 1) t.fail(`${agent.uid} was offered to ${taken.size} sessions`)
  }
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected' && !(outcome.reason instanceof GreenroomError)) throw outcome.reason
  }
  await activationsDone()
  const { rows } = await postgres.durable.query(`SELECT id, status, end_reason, pod_uid FROM sessions`)
  const active = rows.filter((row) => row.status === 'ACTIVE')
  t.same(new Set(active.map((row) => row.id)), new Set(sessions.keys()), 'ACTIVE is what callers were told')
  t.ok(
    rows.every((row) => row.status === 'ACTIVE' || row.end_reason?.startsWith('failed:')),
    'nothing is left PENDING',
  )
  return {
    answers,
    codes: outcomes.flatMap((o) => (o.status === 'rejected' ? [(o.reason as GreenroomError).code] : [])),
  }
}

void t.test(
  '300 opens of 100 pods over three replicas: each pod once, the rest told that it is empty',
  async (t) => {
    const bed = await start(t, 100)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 300 }, (_, n) => openAsClient(bed.replica(n), `k${n}`)),
    )
    // A slot that a retried open gave back may have missed those who were told that the pool is empty.
    for (let n = 300; (await bed.index.size(agentType)) !== 0; n += 1) {
      outcomes.push(...(await Promise.allSettled([openAsClient(bed.replica(n), `k${n}`)])))
    }
    const { answers, codes } = await assertTrue(t, outcomes, bed)
    t.equal(answers.length, 100)
    t.same([...new Set(codes)], ['GRN_POOL_EMPTY'])
  },
)

void t.test('with Redis gone 60 opens find the 60 pods by the informer', async (t) => {
  const bed = await start(t, 60)
  await redisServer.kill()
  const begun = performance.now()
  const outcomes = await Promise.allSettled(
    Array.from({ length: 60 }, (_, n) => openAsClient(bed.replica(n), `k${n}`, { onEmpty: 'wait' })),
  )
  t.comment(`60 opens without Redis: ${Math.round(performance.now() - begun)} ms`)
  const { answers } = await assertTrue(t, outcomes, bed)
  t.equal(answers.length, 60, 'none lost although the informer still calls them all idle')
  await t.rejects(bed.replica(0).open(), { code: 'GRN_POOL_EMPTY' })
  await redisServer.restart({ flush: true })
})

void t.test('random opens, keys and moods over three replicas', async (t) => {
  const plan = fc.record({
    replica: fc.integer({ min: 0, max: 2 }),
    key: fc.option(fc.constantFrom('k1', 'k2', 'k3'), { nil: undefined }),
  })
  const mood = fc.constantFrom('accept', 'accept', 'accept', 'refuse', 'refuse-first')
  await fc.assert(
    fc.asyncProperty(
      fc.array(plan, { minLength: 1, maxLength: 30 }),
      fc.array(mood, { minLength: 15, maxLength: 15 }),
      async (plans, moods) => {
        await t.test('one storm', async (t) => {
          const bed = await start(t, 15, 1_000)
          for (const [n, agent] of bed.agents.all().entries())
            agent.mood = (moods[n] ?? 'accept') as typeof agent.mood
          const outcomes = await Promise.allSettled(
            plans.map(({ replica, key }) => bed.replica(replica).open({}, { idempotencyKey: key })),
          )
          await assertTrue(t, outcomes, bed)
          if (!t.passing()) throw new Error('see above')
        })
      },
    ),
    { numRuns: 12, endOnFailure: true },
  )
})

import fc from 'fast-check'
import t, { type Test } from 'tap'
import { GreenroomError } from '../../src/errors.ts'
import type { OpenAnswer } from '../../src/sessions/open-session.ts'
import { newKey, openAll, requestsOf } from './open-batch-bed.ts'
import { agentType } from './open-bed.ts'
import { type StormBed, startStormServers } from './three-replicas.ts'

/** Batches and single opens at once over three replicas: a batch is opened whole or not at all. */

const { start } = await startStormServers(t)

/** On a busy machine PostgreSQL may not answer in time; the same key is sent again, as clients do. */
async function settled(
  ask: () => Promise<readonly OpenAnswer[]>,
): Promise<readonly OpenAnswer[] | undefined> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof GreenroomError)) throw error
      if (error.code === 'GRN_POOL_EMPTY') return undefined
      if (error.code !== 'GRN_DATABASE_UNAVAILABLE' || tries === 10) throw error
    }
  }
}

/** What PostgreSQL and the agents hold is what callers were told, and nothing else is claimed. */
async function assertTrue(t: Test, bed: StormBed, told: readonly OpenAnswer[]): Promise<void> {
  const uids = told.map(({ session }) => session.pod?.uid ?? '')
  t.equal(new Set(uids).size, told.length, 'no pod twice')
  for (const { session } of told)
    if (bed.agents.agent(session.pod?.uid ?? '').serving?.sessionId !== session.id)
      t.fail(`${session.pod?.uid ?? ''} serves another`)
  const { rows } = await bed.postgres.durable.query<{ id: string }>(
    `SELECT session_id AS id FROM pod_claims WHERE purpose = 'session'`,
  )
  t.same(new Set(rows.map(({ id }) => id)), new Set(told.map(({ session }) => session.id)))
  await bed.activationsDone()
  const open = await bed.postgres.durable.query(`SELECT FROM sessions WHERE status = 'PENDING'`)
  t.equal(open.rowCount, 0, 'nothing is left PENDING')
}

void t.test('two batches of 50 for 60 pods: one of them, and the rest is free for others', async (t) => {
  const bed = await start(t, 60)
  const answers = await Promise.all(
    [0, 1].map((n) => settled(() => openAll(bed.replica(n), requestsOf(50), { idempotencyKey: `b-${n}` }))),
  )
  const told = answers.flatMap((answer) => answer ?? [])
  t.equal(told.length, 50)
  await assertTrue(t, bed, told)
  t.equal(await bed.index.size(agentType), 10)
  const rest = await settled(() => openAll(bed.replica(2), requestsOf(10), { idempotencyKey: 'rest' }))
  t.equal(rest?.length, 10)
})

void t.test('two batches of 50 for 60 pods without Redis: never half of one', async (t) => {
  const bed = await start(t, 60)
  await bed.redis.config('SET', 'maxmemory', '1')
  t.teardown(() => bed.redis.config('SET', 'maxmemory', '0'))
  await bed.redis.flushall()
  const answers = await Promise.all(
    [0, 1].map((n) => settled(() => openAll(bed.replica(n), requestsOf(50), { idempotencyKey: `b-${n}` }))),
  )
  const told = answers.flatMap((answer) => answer ?? [])
  t.ok([0, 50].includes(told.length), `${told.length} are open`)
  await assertTrue(t, bed, told)
})

void t.test('batches of random sizes and single opens at once: each whole or not at all', async (t) => {
  const asks = fc.array(fc.record({ size: fc.integer({ min: 1, max: 20 }), replica: fc.nat(2) }), {
    minLength: 2,
    maxLength: 8,
  })
  await fc.assert(
    fc.asyncProperty(asks, fc.integer({ min: 1, max: 50 }), async (batches, pods) => {
      const bed = await start(t, pods)
      const answers = await Promise.all(
        batches.map(({ size, replica }) => {
          const idempotencyKey = newKey()
          return settled(async () =>
            size === 1
              ? [await bed.replica(replica).open({}, { idempotencyKey })]
              : openAll(bed.replica(replica), requestsOf(size), { idempotencyKey }),
          )
        }),
      )
      for (const [nth, answer] of answers.entries()) if (answer) t.equal(answer.length, batches[nth]?.size)
      await assertTrue(
        t,
        bed,
        answers.flatMap((answer) => answer ?? []),
      )
    }),
    { numRuns: 12 },
  )
})

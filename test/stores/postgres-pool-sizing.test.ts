import t from 'tap'
import type { PoolDecision } from '../../src/domain/pool-decision.ts'
import { nextTarget } from '../../src/domain/sizing/next-target.ts'
import { createPostgresPoolSizing } from '../../src/stores/postgres-pool-sizing.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newRecord } from './open-records.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)
const agentType = 'echo-agent'

function decision(step: number, changes: Partial<PoolDecision> = {}): PoolDecision {
  const input = {
    now: 1_763_692_800_123 + step,
    arrivals: step,
    misses: 0,
    starts: [0.1 + 0.2, 1e-7],
    failing: false,
    oldestStartSeconds: 0.3,
    claimed: 1,
    ready: 2,
    starting: 0,
    waiting: 0,
  }
  const bounds = { min: 1, max: 10 }
  const spec = { mode: 'apply', fixed: 3 } as const
  const { target, terms } = nextTarget({ spec, bounds, state: undefined, input })
  return { agentType, run: 'run-1', step, bounds, input, target, terms, ...changes }
}

async function start(t: Parameters<typeof postgresFor>[0]) {
  const postgres = await postgresFor(t, database)
  return { postgres, sizing: createPostgresPoolSizing(postgres) }
}

void t.test('what is kept of a pool is read again; an older leader does not overwrite it', async (t) => {
  const { sizing } = await start(t)
  t.equal(await sizing.read(agentType), undefined)
  await sizing.keep([
    { agentType, decidedAt: 2_000, kept: { b: 1, a: [0.1 + 0.2] } },
    { agentType: 'other', decidedAt: 1_000, kept: {} },
  ])
  t.equal(JSON.stringify(await sizing.read(agentType)), '{"b":1,"a":[0.30000000000000004]}')
  await sizing.keep([{ agentType, decidedAt: 1_999, kept: { old: true } }])
  t.match(await sizing.read(agentType), { b: 1 })
  await sizing.keep([{ agentType, decidedAt: 2_001, kept: { next: true } }])
  t.same(await sizing.read(agentType), { next: true })
})

void t.test('decisions come back in their order and to the last bit', async (t) => {
  const { sizing } = await start(t)
  const base = { spec: { mode: 'apply', fixed: 3 } as const, state: nextState() }
  const noted = [decision(0, { base }), decision(1), decision(2, { agentType: 'other' }), decision(3)]
  await sizing.noteDecisions([])
  await sizing.noteDecisions(noted)
  const found = await sizing.decisions(agentType, 10)
  const expected = noted.filter((one) => one.agentType === agentType)
  t.same(found, expected)
  t.equal(JSON.stringify(found.map(({ input }) => input)), JSON.stringify(expected.map(({ input }) => input)))
  t.same(
    (await sizing.decisions(agentType, 2)).map(({ step }) => step),
    [1, 3],
    'the newest',
  )
})

void t.test('the newest 10,000 decisions of a pool are kept, and none for longer than a day', async (t) => {
  const { postgres, sizing } = await start(t)
  await sizing.keep([
    { agentType, decidedAt: 1, kept: {} },
    { agentType: 'gone', decidedAt: 1, kept: {} },
    { agentType: 'old', decidedAt: 1, kept: {} },
  ])
  const now = Date.now()
  for (let from = 0; from < 10_100; from += 1_010)
    await sizing.noteDecisions(
      Array.from({ length: 1_010 }, (_, n) => {
        const one = decision(from + n)
        return { ...one, input: { ...one.input, now } }
      }),
    )
  await sizing.noteDecisions([decision(0, { agentType: 'old' })])
  await postgres.durable.query(
    `UPDATE pool_sizing SET saved_at = now() - interval '25 hours' WHERE agent_type <> $1`,
    [agentType],
  )
  await sizing.purge([agentType, 'old'])
  const found = await sizing.decisions(agentType, 20_000)
  t.equal(found.length, 10_000)
  t.equal(found[0]?.step, 100)
  t.same(await sizing.decisions('old', 10), [])
  t.same(await sizing.read('old'), {}, 'the memory of a pool in force is kept, however old')
  t.equal(await sizing.read('gone'), undefined)
})

void t.test('sessions opened since a time are counted, and those that found no warm pod', async (t) => {
  const { postgres, sizing } = await start(t)
  const sessions = createPostgresSessionStore(postgres)
  for (const warm of [true, false, true]) await sessions.commitOpen({ ...newRecord({ agentType }), warm })
  t.same(await sizing.openedSince(agentType, Date.now() - 60_000), { arrivals: 3, misses: 1 })
  t.same(await sizing.openedSince(agentType, Date.now() + 60_000), { arrivals: 0, misses: 0 })
  t.same(await sizing.openedSince('other', 0), { arrivals: 0, misses: 0 })
})

function nextState() {
  const { input, bounds } = decision(0)
  return nextTarget({ spec: { mode: 'apply', fixed: 3 }, bounds, state: undefined, input }).state
}

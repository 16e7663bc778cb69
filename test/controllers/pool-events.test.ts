import t from 'tap'
import { createPoolEvents } from '../../src/controllers/pool-events.ts'
import type { PlatformEvent } from '../../src/domain/event.ts'
import { poolProblem } from '../../src/domain/pool-problem.ts'
import { keptLog } from '../support/kept-log.ts'

const agentType = 'echo-agent'
const problemOf = (cause: 'quota' | 'image', message = 'exceeded quota') =>
  poolProblem({ cause, message, count: 1, since: 0, lastAt: 0, nextTryAt: undefined })
const well = { ready: 2, waiting: 0, isWanted: true, problem: undefined }
const empty = { ...well, ready: 0 }

function start() {
  const told: PlatformEvent[] = []
  const faults = { isAway: false }
  const { logger, lines } = keptLog()
  const note = async (event: PlatformEvent) => {
    if (faults.isAway) throw new Error('PostgreSQL is away')
    told.push(event)
  }
  return { events: createPoolEvents({ log: { note }, logger }), told, faults, lines }
}

void t.test('each change is told once', async (t) => {
  const { events, told } = start()
  const looks = [
    // A pool that has just been made has no pods yet.
    empty,
    well,
    well,
    empty,
    { ...empty, waiting: 3 },
    well,
    { ...well, problem: problemOf('quota') },
    { ...well, problem: problemOf('quota', 'other words') },
    { ...empty, problem: problemOf('image') },
    { ...empty, problem: problemOf('image') },
    empty,
    well,
    well,
  ]
  for (const look of looks) await events.look(agentType, look)
  t.match(told, [
    { type: 'pool.empty', agentType, waiting: 0 },
    { type: 'pool.recovered', agentType },
    {
      type: 'pool.degraded',
      problem: { cause: 'quota', message: 'exceeded quota', remedy: /ResourceQuota/ },
    },
    { type: 'pool.empty' },
    { type: 'pool.degraded', problem: { cause: 'image' } },
    { type: 'pool.recovered' },
  ])
  t.equal(told.length, 6)
})

void t.test('a pool that wants no idle pods is empty only while somebody waits', async (t) => {
  const { events, told } = start()
  const idle = { ...empty, isWanted: false }
  for (const look of [{ ...well, isWanted: false }, idle, { ...idle, waiting: 1 }, idle, well])
    await events.look(agentType, look)
  t.match(told, [{ type: 'pool.empty', waiting: 1 }, { type: 'pool.recovered' }])
  t.equal(told.length, 2)
})

void t.test('what could not be written is told at the next look', async (t) => {
  const { events, told, faults, lines } = start()
  faults.isAway = true
  await events.look(agentType, { ...well, problem: problemOf('quota', 'x'.repeat(9_999)) })
  t.same(told, [])
  t.match(JSON.stringify(lines), /were not told/)
  faults.isAway = false
  await events.look(agentType, { ...well, problem: problemOf('quota', 'x'.repeat(9_999)) })
  t.equal(told.length, 1)
  t.ok(JSON.stringify(told).length < 1_500, 'cut')
  events.forget(agentType)
  await events.look(agentType, well)
  t.equal(told.length, 1)
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { createRedis } from '../../src/stores/redis-client.ts'
import { wakeChannel } from '../../src/stores/redis-keys.ts'
import { startAgentsProcess } from './agents-process.ts'
import type { Bench, BenchOptions } from './bench.ts'
import { agentType, type GreenroomBed, silent, startGreenroomBed } from './bench-bed.ts'
import { createReadyPods } from './bench-pods.ts'
import type { BenchResult } from './bench-report.ts'
import { createClaimStock } from './claim-stock.ts'
import { type EventListeners, startEventListeners } from './event-listeners.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { startLoadGenerator } from './load-generator.ts'

/** What event streams cost one API process: their memory, how soon each hears an event, and what claims lose beside them. */
export const bench: Bench = {
  summary:
    'event streams of one API process: memory, time from an event to its listeners, claims beside them',
  options: {
    listeners: { type: 'string', default: '5000' },
    events: { type: 'string', default: '20' },
    pool: { type: 'string', default: '1000' },
    concurrency: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
  },
  run: runEventsBench,
}

async function runEventsBench(options: BenchOptions, say: (line: string) => void): Promise<BenchResult> {
  const pool = Number(options.pool)
  const bed = await startGreenroomBed({
    say,
    pools: poolsDocument({ min: pool, max: pool }),
    webhook: false,
    body: { agentType, projectId: 'bench' },
  })
  try {
    return await measure(bed, options, say)
  } finally {
    await bed.stop()
  }
}

async function measure(
  bed: GreenroomBed,
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const count = Number(options.listeners)
  const listeners = startEventListeners(join(bed.folder, 'listeners.log'))
  bed.onStop(() => listeners.stop())
  const claims = await startClaims(bed, options)
  const streams = (path: string) => listeners.call('open', { ...bed.target, path, count })
  const leave = async () => {
    await listeners.call('close', undefined)
    await until('all streams to be closed', async () => (await heard(listeners)).open === 0)
  }
  const rows: BenchRow[] = []
  // Each listener follows a project of its own, so none hears the claims.
  const idle = '/v1/events?projectId=other-{n}'
  const memory = await memoryOf(bed, { count, open: () => streams(idle) })
  say(`${count} idle streams: ${memory.kbEach} KB each, of ${memory.beforeMb} MB before them`)
  await leave()
  // By turns, so that what the machine does beside it falls on both.
  const [alone, beside] = [createLatencyRecorder(), createLatencyRecorder()]
  for (let round = 0; round < Number(options.rounds); round += 1) {
    alone.take(await claims())
    await streams(idle)
    beside.take(await claims())
    await leave()
  }
  const concurrency = Number(options.concurrency)
  rows.push(alone.row('open, nobody follows', concurrency))
  rows.push(beside.row(`open, ${count} idle streams`, concurrency))
  for (const row of rows) say(`${row.case}: ${row.perSecond}/s, p50 ${row.p50Ms} ms, p99 ${row.p99Ms} ms`)
  const events = Number(options.events)
  await streams(idle)
  rows.push(await measureEvents(bed, { listeners, events, each: Math.min(count, ownAtOnce), heardBy: 1 }))
  await leave()
  await streams('/v1/events')
  rows.push(await measureEvents(bed, { listeners, events, each: 1, heardBy: count }))
  for (const row of rows.slice(2)) say(`${row.case}: p50 ${row.p50Ms} ms, p99 ${row.p99Ms} ms`)
  return { rows, listeners: count, ...memory }
}

/** Opens from stock as in `claims`; each call is one round. */
async function startClaims(bed: GreenroomBed, options: BenchOptions) {
  const pool = Number(options.pool)
  const agents = startAgentsProcess(join(bed.folder, 'agents.log'))
  bed.onStop(() => agents.stop())
  const { addresses } = await agents.call('start', { count: pool, assignKeys: bed.assignKeys })
  const pods = await createReadyPods({ ...bed, agentType, addresses })
  await agents.call('place', pods)
  await bed.startApi()
  const stock = await createClaimStock(bed)
  bed.onStop(() => stock.close())
  const load = startLoadGenerator(join(bed.folder, 'load.log'))
  bed.onStop(() => load.stop())
  const loop = { kind: 'closed', concurrency: Number(options.concurrency) } as const
  const round = async () => {
    await agents.call('reset', undefined)
    await stock.refill({ [agentType]: pods.map(({ uid }) => uid) })
    return load.call('run', { target: bed.target, loop, count: pool, warmUp: Math.floor(pool / 10) })
  }
  for (let warmUp = 0; warmUp < warmUpRounds; warmUp += 1) await round()
  return round
}

/** As in `claims`. */
const warmUpRounds = 6
/** For the heap to be what it will stay. */
const settleMs = 5_000
/** Events of as many sessions at once, each with its listener: 200 a second. */
const ownAtOnce = 100
/** As the controller is told of a claim. */
const wake = JSON.stringify({ kind: 'claimed', agentType })
/** Between two events: long enough for all listeners to have the one before. */
const eventEveryMs = 500

async function memoryOf(bed: GreenroomBed, given: { count: number; open: () => Promise<number> }) {
  const rssKb = () => {
    const status = readFileSync(`/proc/${bed.roles.get('api')?.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1])
  }
  await pause(settleMs)
  const before = rssKb()
  await given.open()
  await pause(settleMs)
  const kbEach = Math.round(((rssKb() - before) / given.count) * 10) / 10
  return { kbEach, beforeMb: Math.round(before / 1_024) }
}

async function heard(listeners: EventListeners) {
  return listeners.call('heard', undefined)
}

interface EventLoad {
  readonly listeners: EventListeners
  /** How often events happen. */
  readonly events: number
  /** How many at once, each of another project. */
  readonly each: number
  /** How many listeners hear one. */
  readonly heardBy: number
}

/** From the begin of the transaction that an event tells of, by PostgreSQL's clock, until a listener has it. */
async function measureEvents(
  bed: GreenroomBed,
  { listeners, events, each, heardBy }: EventLoad,
): Promise<BenchRow> {
  const database = new pg.Client({ connectionString: bed.databaseUrl })
  await database.connect()
  const redis = createRedis(bed.redis.url, silent)
  await until('redis connection', () => redis.status === 'ready')
  const recorder = createLatencyRecorder()
  await heard(listeners)
  for (let event = 0; event < events; event += 1) {
    await database.query(
      `INSERT INTO session_events (session_id, status, epoch, agent_type, project_id)
       SELECT gen_random_uuid(), 'ACTIVE', 1, $1, 'other-' || n FROM generate_series(0, $2::int - 1) AS n`,
      [agentType, each],
    )
    await redis.publish(wakeChannel, wake)
    await pause(eventEveryMs)
  }
  const wanted = events * each * heardBy
  const latenciesUs: number[] = []
  await until('every listener to have heard everything', async () => {
    for (const us of (await heard(listeners)).latenciesUs) latenciesUs.push(us)
    return latenciesUs.length >= wanted
  })
  redis.disconnect()
  await database.end()
  recorder.take({ latenciesUs, errors: latenciesUs.length - wanted, durationMs: events * eventEveryMs })
  return recorder.row(heardBy === 1 ? 'event to its listener' : `event to each of ${heardBy} listeners`, each)
}

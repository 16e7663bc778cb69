import { type Bed, startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { type BedClient, createBedClient } from '../../bed/replicas/bed-client.ts'
import { disposeOfRooms, visitRoom } from '../../bed/replicas/room-visitor.ts'
import { warmRoom } from '../../src/agent/load-rtc.ts'
import { agentIdentity } from '../../src/domain/names.ts'
import type { Bench, BenchOptions } from './bench.ts'
import { agentType } from './bench-bed.ts'
import type { BenchResult } from './bench-report.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { createRoomFloor, type RoomTimes } from './room-floor.ts'

/** From the POST to an agent that is in its room and answers; by turns with a process that has only to connect. */
export const bench: Bench = {
  summary: 'sessions whose agent joins a LiveKit room and echoes, beside a bare connect measured by turns',
  options: {
    sessions: { type: 'string', default: '1000' },
    pool: { type: 'string', default: '12' },
    /** Agents and floor load LiveKit's library when they are claimed, not while they are idle. */
    cold: { type: 'boolean', default: false },
  },
  run: runRoomsBench,
}

/** A floor after so many sessions. */
const floorEvery = 2
/** The first turns compile code and open connections. */
const discardedTurns = 5
/** From the last end until the pool is full again; agents start one after the other. */
const fullTimeoutMs = 120_000

interface SessionTimes extends RoomTimes {
  readonly claimMs: number
}

export async function runRoomsBench(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const pool = Number(options.pool)
  const warm = options.cold !== true
  const bed = await startBed({
    livekit: true,
    paced: true,
    // Claimed pods and those that are ending count as well.
    pools: poolsDocument({ min: pool, max: 5 * pool, warmRoom: warm }),
    say,
  })
  const client = createBedClient({ url: bed.apiUrls[0] ?? '', apiKey: bed.apiKey })
  try {
    await warmRoom()
    return await measure({ bed, client, pool, warm, options, say })
  } finally {
    client.close()
    await disposeOfRooms()
    await bed.stop()
  }
}

interface Measuring {
  readonly bed: Bed
  readonly client: BedClient
  readonly pool: number
  readonly warm: boolean
  readonly options: BenchOptions
  readonly say: (line: string) => void
}

async function measure({ bed, client, pool, warm, options, say }: Measuring): Promise<BenchResult> {
  if (!bed.livekit) throw new Error('the bed has no LiveKit')
  const isFull = async () => (await client.pool(agentType)).body.ready >= pool
  await until(`a pool of ${pool}`, isFull, fullTimeoutMs)
  say(`the pool of ${pool} is full`)
  const floor = createRoomFloor({ livekit: bed.livekit, folder: bed.folder, warm })
  const turns = createTurns()
  try {
    const untilWarm = () =>
      until('a warm pod', async () => (await client.pool(agentType)).body.ready > 0, fullTimeoutMs)
    const turn = { untilWarm, session: () => talkOnce(client), floor: () => floor.turn() }
    for (let n = 0; n < discardedTurns; n += 1) await Promise.all([turn.session(), turn.floor()])
    await turns.run(turn, Number(options.sessions), say)
  } finally {
    await floor.stop()
  }
  const left = await until('no live session', () => noneLive(client), fullTimeoutMs).then(
    () => 0,
    () => 1,
  )
  return { ...turns.result(), sessionsLeft: left }
}

async function noneLive(client: BedClient): Promise<boolean> {
  const answers = await Promise.all(
    ['PENDING', 'ACTIVE', 'ENDING'].map((status) =>
      client.call({ method: 'GET', path: `/v1/sessions?limit=1&status=${status}` }),
    ),
  )
  return answers.every(({ body }) => body.sessions.length === 0)
}

/** One session from POST to end. Throws if anything of it fails: it is lost then. */
async function talkOnce(client: BedClient): Promise<SessionTimes> {
  const [began, beganAtMs] = [performance.now(), Date.now()]
  const {
    status,
    body: session,
    ms: claimMs,
    text,
  } = await client.open({
    agentType,
    participant: { identity: 'caller' },
    onEmpty: 'wait',
    waitMs: 20_000,
  })
  if (status !== 201 || !session.livekit) throw new Error(`open: ${status} ${text}`)
  try {
    const visitor = await visitRoom(session.livekit)
    try {
      const agent = agentIdentity(session.id, session.epoch)
      await visitor.sees(agent)
      await visitor.exchange(session.id, agent)
      const echoMs = performance.now() - began
      const reported = async () => (await client.read(session.id)).body.agentJoinedAt
      const joinedMs = Date.parse(await until('agentJoinedAt', reported)) - beganAtMs
      return { claimMs, joinedMs, echoMs }
    } finally {
      await visitor.leave()
    }
  } finally {
    await client.end(session.id)
  }
}

interface Turn {
  /** The pool is refilled meanwhile. What a caller of an empty pool waits for is not what is measured. */
  readonly untilWarm: () => Promise<unknown>
  readonly session: () => Promise<SessionTimes>
  readonly floor: () => Promise<RoomTimes>
}

function createTurns() {
  const recorders = {
    claim: createLatencyRecorder(),
    joined: createLatencyRecorder(),
    echo: createLatencyRecorder(),
    floorJoined: createLatencyRecorder(),
    floorEcho: createLatencyRecorder(),
  }
  const reasons = new Map<string, number>()
  let durationMs = 0
  const note = (recorder: keyof typeof recorders, ms: number) =>
    recorders[recorder].take({ latenciesUs: [ms * 1_000], errors: 0, durationMs: 0 })
  const lose = (recorder: keyof typeof recorders, error: unknown) => {
    recorders[recorder].take({ latenciesUs: [], errors: 1, durationMs: 0 })
    // Without ids, so that equal reasons are one line.
    const reason = String(error).replaceAll(/[0-9a-f-]{36}/g, 'ID')
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
  const takeSession = async ({ session }: Turn) => {
    try {
      const { claimMs, joinedMs, echoMs } = await session()
      note('claim', claimMs)
      note('joined', joinedMs)
      note('echo', echoMs)
    } catch (error) {
      lose('joined', error)
    }
  }
  const takeFloor = async ({ floor }: Turn) => {
    try {
      const { joinedMs, echoMs } = await floor()
      note('floorJoined', joinedMs)
      note('floorEcho', echoMs)
    } catch (error) {
      lose('floorJoined', error)
    }
  }
  return {
    /** One after the other, so the rate is what the machine holds. A floor comes every `floorEvery` sessions. */
    async run(turn: Turn, sessions: number, say: (line: string) => void): Promise<void> {
      const began = performance.now()
      for (let n = 1; n <= sessions; n += 1) {
        await turn.untilWarm()
        await takeSession(turn)
        if (n % floorEvery === 0) await takeFloor(turn)
        if (n % 50 === 0) say(`${n} sessions, ${recorders.joined.row('', 1).errors} lost`)
      }
      durationMs = performance.now() - began
    },
    result(): BenchResult {
      const row = (recorder: keyof typeof recorders, name: string): BenchRow => {
        const one = recorders[recorder].row(name, 1)
        return { ...one, perSecond: Math.round((one.count / durationMs) * 10_000) / 10 }
      }
      const joined = row('joined', 'POST to agent in its room')
      const echo = row('echo', 'POST to first echo')
      const [floorJoined, floorEcho] = [
        row('floorJoined', 'floor: bare connect'),
        row('floorEcho', 'floor: first echo'),
      ]
      return {
        rows: [row('claim', 'POST to 201'), joined, floorJoined, echo, floorEcho],
        lost: joined.errors,
        joinedOverFloor: comparison(joined, floorJoined),
        echoOverFloor: comparison(echo, floorEcho),
        reasons: Object.fromEntries(reasons),
      }
    },
  }
}

function comparison(row: BenchRow, floor: BenchRow) {
  return { p50MoreMs: row.p50Ms - floor.p50Ms, p99Times: row.p99Ms / floor.p99Ms }
}

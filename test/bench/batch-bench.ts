import { createPostgres } from '../../src/stores/postgres-client.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import type { Bench } from './bench.ts'
import { agentType, silent } from './bench-bed.ts'
import { newOpenRecord, newSessionId } from './bench-records.ts'
import { type ClaimStock, createClaimStock } from './claim-stock.ts'
import { cpuMsOf, createCpuSums } from './cpu-meter.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import type { LoadTarget } from './load-generator.ts'
import { type Measured, runClosedLoop } from './load-loop.ts'
import { startTurnsBed, type TurnsBed } from './open-turns.ts'

/** What a batch costs beside a single open: decided (through the stores) and delivered (over HTTP), by turns. */
export const bench: Bench = {
  summary: 'batches of several sizes beside single opens: decided alone, and delivered',
  options: {
    pool: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '20' },
    sizes: { type: 'string', default: '1,10,50' },
    'warm-up-rounds': { type: 'string', default: '6' },
    /** Folder of a checkout with its packages: its single opens are measured as well. */
    against: { type: 'string', default: '' },
  },
  async run(options, say) {
    const pool = Number(options.pool)
    const sizes = String(options.sizes).split(',').map(Number)
    const { bed, ...turnsBed } = await startTurnsBed(pool, say)
    try {
      const postgres = createPostgres(bed.databaseUrl, silent)
      bed.onStop(() => postgres.close())
      const stock = await createClaimStock(bed)
      bed.onStop(() => stock.close())
      const target = await bed.startVariant({ name: 'now' })
      const opens = openTurns(turnsBed, target, bed.roles.get('now')?.pid, sizes)
      if (options.against !== '') {
        const before = await bed.startVariant({ name: 'before', folder: String(options.against) })
        opens.unshift(singleOpens(turnsBed, 'single open, before', before, bed.roles.get('before')?.pid))
      }
      const turns = [...decisionTurns(stock, createPostgresSessionStore(postgres), sizes), ...opens]
      return await measure(turns, {
        pool,
        rounds: Number(options.rounds),
        warmUpRounds: Number(options['warm-up-rounds']),
        freshStock: turnsBed.freshStock,
        say,
      })
    } finally {
      await bed.stop()
    }
  },
}

/** One kind of request, one at a time. */
interface BatchTurn {
  readonly name: string
  /** Sessions that one request opens. */
  readonly size: number
  /** Of the API process; undefined when there is none. */
  readonly pid: number | undefined
  run(count: number): Promise<Measured>
}

/** The first sessions after each round's new start pay for empty tables and their files; no case shows them. */
function warmUpOf(count: number): number {
  return Math.ceil(count / 10)
}

function decisionTurns(
  { index }: ClaimStock,
  sessions: ReturnType<typeof createPostgresSessionStore>,
  sizes: readonly number[],
): BatchTurn[] {
  async function decideOne(): Promise<boolean> {
    const record = newOpenRecord(newSessionId())
    const reservation = await index.reserve({ agentType, sessionId: record.id, attempt: 1 })
    if (reservation.kind !== 'reserved') return false
    const pod = { ...record.pod, uid: reservation.podUid }
    const { kind } = await sessions.commitOpen({ ...record, pod })
    // As the session API does it: behind the answer.
    void index.settle(agentType, record.id, pod.uid)
    return kind === 'committed'
  }
  async function decideTogether(size: number): Promise<boolean> {
    const records = Array.from({ length: size }, () => newOpenRecord(newSessionId()))
    const asked = records.map(({ id }) => ({ sessionId: id, attempt: 1 }))
    const reservation = await index.reserveAll({ agentType, sessions: asked })
    if (reservation.kind !== 'reserved') return false
    const claimed = records.map((record, nth) => ({
      ...record,
      pod: { ...record.pod, uid: reservation.podUids[nth] ?? '' },
    }))
    const outcomes = await sessions.commitTogether(claimed)
    for (const { id, pod } of claimed) void index.settle(agentType, id, pod.uid)
    return outcomes.every(({ kind }) => kind === 'committed')
  }
  const turn = (name: string, size: number, send: () => Promise<boolean>): BatchTurn => ({
    name,
    size,
    pid: undefined,
    run: (count) => runClosedLoop({ concurrency: 1, count, warmUp: warmUpOf(count) }, send),
  })
  return [
    turn('single decision', 1, decideOne),
    ...sizes.map((size) => turn(`decision of ${size}`, size, () => decideTogether(size))),
  ]
}

function singleOpens(
  { load }: Pick<TurnsBed, 'load'>,
  name: string,
  target: LoadTarget,
  pid: number | undefined,
): BatchTurn {
  const loop = { kind: 'closed', concurrency: 1 } as const
  return {
    name,
    size: 1,
    pid,
    run: (count) => load.call('run', { target, loop, count, warmUp: warmUpOf(count) }),
  }
}

function openTurns(
  bed: Pick<TurnsBed, 'load'>,
  target: LoadTarget,
  pid: number | undefined,
  sizes: readonly number[],
): BatchTurn[] {
  const one: unknown = JSON.parse(target.body ?? '{}')
  const batchOf = (size: number, atomic: boolean): BatchTurn => {
    const body = JSON.stringify({ sessions: Array.from({ length: size }, () => one), atomic })
    const name = `${atomic ? 'batch' : 'batch, not atomic,'} of ${size}`
    return { ...singleOpens(bed, name, { ...target, path: '/v1/sessions:batch', body }, pid), size }
  }
  return [
    singleOpens(bed, 'single open', target, pid),
    ...sizes.map((size) => batchOf(size, true)),
    ...sizes.slice(-1).map((size) => batchOf(size, false)),
  ]
}

interface Measuring {
  readonly pool: number
  readonly rounds: number
  /** Rounds that are thrown away. */
  readonly warmUpRounds: number
  readonly freshStock: () => Promise<void>
  readonly say: (line: string) => void
}

/** Each round opens the whole pool once in each way, and the next round in the other order. */
async function measure(
  turns: readonly BatchTurn[],
  { pool, rounds, warmUpRounds, freshStock, say }: Measuring,
) {
  const measured = turns.map((turn) => ({ turn, recorder: createLatencyRecorder(), cpu: createCpuSums() }))
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    for (const { turn, recorder, cpu } of round % 2 === 0 ? measured : measured.toReversed()) {
      await freshStock()
      const before = cpuMsOf({ api: turn.pid })
      const result = await turn.run(Math.floor(pool / turn.size))
      if (round < 0) continue
      recorder.take(result)
      cpu.add(before, cpuMsOf({ api: turn.pid }))
    }
  }
  const rows = measured.map(({ turn, recorder }): BenchRow => recorder.row(turn.name, 1))
  const sessionsEach = (size: number) => rounds * Math.floor(pool / size) * size
  const cpuMsPerSession = Object.fromEntries(
    measured
      .filter(({ turn }) => turn.pid !== undefined)
      .map(({ turn, cpu }) => [turn.name, cpu.each(sessionsEach(turn.size)).api ?? 0]),
  )
  const ratios = ratiosOf(rows)
  say(JSON.stringify({ ratios, cpuMsPerSession }))
  return { rows, ratios, cpuMsPerSession }
}

/** p50 and p99 of each batch over those of the single one of its kind. */
function ratiosOf(rows: readonly BenchRow[]): Readonly<Record<string, { p50: number; p99: number }>> {
  const single = (name: string) => rows.find((row) => row.case === name)
  const over = (a: number, b = 0) => Math.round((a / b) * 100) / 100
  return Object.fromEntries(
    rows
      .filter((row) => !row.case.startsWith('single'))
      .map((row) => {
        const base = single(row.case.startsWith('decision') ? 'single decision' : 'single open')
        return [row.case, { p50: over(row.p50Ms, base?.p50Ms), p99: over(row.p99Ms, base?.p99Ms) }]
      }),
  )
}

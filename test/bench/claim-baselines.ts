import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { signDelivery } from '../../src/delivery/assign-token.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import { assignPath } from '../../src/domain/assign-contract.ts'
import type { Assignment } from '../../src/domain/assignment.ts'
import { agentPort } from '../../src/domain/names.ts'
import { createPostgres } from '../../src/stores/postgres-client.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { agentType, type GreenroomBed, silent } from './bench-bed.ts'
import type { BenchPod } from './bench-pods.ts'
import { type BenchProcess, startBenchProcess } from './bench-process.ts'
import { newOpenRecord, newSessionId } from './bench-records.ts'
import type { ClaimStock } from './claim-stock.ts'
import type { ClaimsSettings } from './claims-bench.ts'
import { openHttpLane } from './http-lane.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { type LoadGenerator, requestText } from './load-generator.ts'
import { type Measured, runClosedLoop, type Send } from './load-loop.ts'
import type { RouteCalls } from './route-program.ts'

/** What the parts of an open cost alone, with as many callers: the rest of its time is Greenroom's own. */

export interface Baseline {
  readonly bed: GreenroomBed
  readonly settings: ClaimsSettings
  readonly stock: ClaimStock
  readonly load: LoadGenerator
  readonly pods: readonly BenchPod[]
  /** Every agent is free again. */
  readonly freshAgents: () => Promise<unknown>
}

export async function measureFastify({ bed, settings, load }: Baseline): Promise<readonly BenchRow[]> {
  const program = fileURLToPath(new URL('./route-program.ts', import.meta.url))
  const route: BenchProcess<RouteCalls> = startBenchProcess({
    program,
    logPath: join(bed.folder, 'route.log'),
  })
  try {
    const port = await route.call('listen', bareAnswer)
    const { pool: count, warmUp } = settings
    return await rowsOf('bare fastify route', settings, (concurrency) =>
      load.call('run', {
        target: { ...bed.target, port },
        loop: { kind: 'closed', concurrency },
        count,
        warmUp,
      }),
    )
  } finally {
    await route.stop()
  }
}

/** As long as the answer to an open with a LiveKit token, about 1 KB. */
const bareAnswer = { id: newSessionId(), status: 'ACTIVE', livekit: { token: 'x'.repeat(900) } }

export function measureLua({ settings, stock }: Baseline): Promise<readonly BenchRow[]> {
  const slots = Array.from({ length: settings.pool }, newSessionId)
  return rowsOf('Lua script alone', settings, async (concurrency) => {
    await stock.refill({ [agentType]: slots })
    return inProcess(settings, concurrency, async () => {
      const { kind } = await stock.index.reserve({ agentType, sessionId: newSessionId(), attempt: 1 })
      return kind === 'reserved'
    })
  })
}

export async function measureSql({ bed, settings, stock }: Baseline): Promise<readonly BenchRow[]> {
  const postgres = createPostgres(bed.databaseUrl, silent)
  const sessions = createPostgresSessionStore(postgres)
  const podUids = Array.from({ length: settings.pool }, newSessionId)
  try {
    return await rowsOf('PostgreSQL statement alone', settings, async (concurrency) => {
      await stock.refill({ [agentType]: podUids })
      return inProcess(settings, concurrency, async (index) => {
        const { kind } = await sessions.commitOpen(newOpenRecord(podUids[index] ?? ''))
        return kind === 'committed'
      })
    })
  } finally {
    await postgres.close()
  }
}

/** A new connection to each pod, as nobody can have had one before, and the signed request; the answer is read, not judged. */
export async function measurePost(given: Baseline): Promise<readonly BenchRow[]> {
  const { bed, settings, pods, freshAgents } = given
  const keys = await loadSigningKeys(await readFile(bed.assignKeyFile, 'utf8'))
  const key = keys.choose(keys.kids)
  if (!key) throw new Error('there is no key to sign deliveries with')
  return rowsOf('POST to an agent alone', settings, async (concurrency) => {
    await freshAgents()
    return inProcess(settings, concurrency, async (index) => {
      const { uid: podUid, ip: host } = pods[index] ?? { uid: '', ip: '' }
      const body = JSON.stringify(assignmentOf(podUid))
      const token = signDelivery(key, { podUid, sessionId: podUid, epoch: 1, body, now: Date.now() })
      const lane = await openHttpLane({ host, port: agentPort })
      const headers = { authorization: `Bearer ${token}` }
      const { status } = await lane.send(
        requestText({ host, port: agentPort, method: 'POST', path: assignPath, headers, body }),
      )
      lane.close()
      return status === 200
    })
  })
}

/** About as long as one that an open sends, its token for a LiveKit room included. */
function assignmentOf(podUid: string): Assignment {
  const room = `${agentType}-${podUid}`
  return {
    sessionId: podUid,
    epoch: 1,
    podUid,
    agentType,
    room,
    livekit: {
      url: 'ws://127.0.0.1:7880',
      room,
      token: 'x'.repeat(500),
      expiresAt: new Date().toISOString(),
    },
    metadata: { topic: 'bench' },
    sessionToken: 'x'.repeat(80),
    leaseMs: 60_000,
  }
}

/**
 * The p50 of an open as a multiple of what its parts cost alone at the same concurrency, one after the other, with one
 * PostgreSQL statement that the answer waits for and with two. Empty without these rows.
 */
export function timesFloors(rows: readonly BenchRow[]): Record<string, Record<string, number>> {
  const ratios: Record<string, Record<string, number>> = {}
  for (const { case: name, concurrency, p50Ms } of rows.filter((row) => row.case.startsWith('open, c='))) {
    const alone = (part: string) => rows.find((row) => row.case === `${part}, c=${concurrency}`)?.p50Ms ?? NaN
    const others = alone('bare fastify route') + alone('Lua script alone') + alone('POST to an agent alone')
    const statement = alone('PostgreSQL statement alone')
    const times = (statements: number) => Math.round((p50Ms / (others + statements * statement)) * 100) / 100
    if (!Number.isNaN(times(1))) ratios[name] = { oneStatement: times(1), twoStatements: times(2) }
  }
  return ratios
}

function inProcess(
  { pool: count, warmUp }: ClaimsSettings,
  concurrency: number,
  send: Send,
): Promise<Measured> {
  return runClosedLoop({ concurrency, count, warmUp }, (index) => send(index).catch(() => false))
}

/** One row for each concurrency; the rounds count together. */
export async function rowsOf(
  name: string,
  { concurrencies, rounds }: Pick<ClaimsSettings, 'concurrencies' | 'rounds'>,
  once: (concurrency: number) => Promise<Measured>,
): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  for (const concurrency of concurrencies) {
    const recorder = createLatencyRecorder()
    for (let round = 0; round < rounds; round += 1) recorder.take(await once(concurrency))
    rows.push(recorder.row(`${name}, c=${concurrency}`, concurrency))
  }
  return rows
}

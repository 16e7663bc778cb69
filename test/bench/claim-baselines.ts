import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createAgentDelivery } from '../../src/delivery/agent-delivery.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import { createPostgres } from '../../src/stores/postgres-client.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { agentType, type GreenroomBed, silent } from './bench-bed.ts'
import { type BenchProcess, startBenchProcess } from './bench-process.ts'
import { newOpenRecord, newSessionId } from './bench-records.ts'
import type { ClaimStock } from './claim-stock.ts'
import type { ClaimsSettings } from './claims-bench.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import type { LoadGenerator } from './load-generator.ts'
import { type Measured, runClosedLoop, type Send } from './load-loop.ts'
import type { RouteCalls } from './route-program.ts'

/** What the parts of an open cost alone, with as many callers: the rest of its time is Greenroom's own. */

interface Baseline {
  readonly bed: GreenroomBed
  readonly settings: ClaimsSettings
  readonly stock: ClaimStock
  readonly load: LoadGenerator
  readonly pods: readonly { readonly uid: string; readonly name: string; readonly ip: string }[]
  /** Every agent is without a session again. */
  readonly freshAgents: () => Promise<void>
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

/** A signed assignment of usual length through the adapter, connection included. */
export async function measurePost({
  bed,
  settings,
  pods,
  freshAgents,
}: Baseline): Promise<readonly BenchRow[]> {
  const keys = await loadSigningKeys(await readFile(bed.assignKeyFile, 'utf8'))
  const delivery = createAgentDelivery({ keys })
  return rowsOf('POST to an agent alone', settings, async (concurrency) => {
    await freshAgents()
    return inProcess(settings, concurrency, async (index) => {
      const { uid = '', name = '', ip = '' } = pods[index] ?? {}
      const assignment = {
        sessionId: newSessionId(),
        epoch: 1,
        podUid: uid,
        agentType,
        room: name,
        sessionToken: 'x'.repeat(90),
        livekit: { url: 'ws://127.0.0.1:7880', room: name, token: 'x'.repeat(600), expiresAt: '' },
        leaseMs: 60_000,
      }
      const pod = { uid, name, ip, assignKeyIds: bed.assignKeyIds }
      return (await delivery.assign(pod, assignment, 5_000)).kind === 'accepted'
    })
  })
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

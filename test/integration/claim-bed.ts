import type { Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { startTcpProxy } from '../../bed/servers/tcp-proxy.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { agentType, startAgents, startReplica } from '../sessions/open-bed.ts'
import {
  type Database,
  indexOn,
  postgresFor,
  redisFor,
  type startIndexServer,
} from '../stores/store-servers.ts'
import { createStepGate, heldDelivery, heldStore, type StepGate } from '../support/claim-steps.ts'
import { notePods } from '../support/noted-pods.ts'
import { startReplicaProcess } from '../support/replica-process.ts'

/** Agents, Redis and PostgreSQL for one test, with replicas in this process or in processes that can be killed. */

interface Servers {
  readonly database: Database
  readonly redisServer: Awaited<ReturnType<typeof startIndexServer>>
}

interface ClaimRow {
  readonly pod_uid: string
  readonly purpose: string
  readonly session_id: string | null
  readonly epoch: number | null
  readonly reason: string | null
}

export async function startClaimBed(t: Test, { database, redisServer }: Servers, count: number) {
  const agents = await startAgents(t, count)
  const postgres = await postgresFor(t, database)
  const redis = await redisFor(t, redisServer.url)
  await redis.flushall()
  await notePods(postgres, [...agents.agents.keys()])
  const sessions = createPostgresSessionStore(postgres)
  const index = indexOn(redis)
  await index.rebuild(agentType, agents.slots())
  const query = async <T extends object>(sql: string, values: unknown[] = []): Promise<T[]> =>
    (await postgres.durable.query<T>(sql, values)).rows

  return {
    agents,
    postgres,
    redis,
    redisUrl: redisServer.url,
    sessions,
    index,
    ledger: createPostgresClaimLedger(postgres),
    query,
    claims: () => query<ClaimRow>('SELECT * FROM pod_claims ORDER BY pod_uid'),
    rows: () => query<{ id: string; status: string; pod_uid: string }>('SELECT * FROM sessions ORDER BY id'),
    /** UIDs of the pods whose agent took an assignment. */
    serving: () =>
      agents
        .all()
        .filter((agent) => agent.serving)
        .map((agent) => agent.uid),
    /** Deliveries that the gate holds up, to the agents here. */
    heldDelivery: (gate: StepGate) => heldDelivery(agents.delivery, gate),
    replica: (options: Partial<Parameters<typeof startReplica>[0]> = {}) =>
      startReplica({ agents, sessions, index, ...options }),
    process: (name = 'api-1') =>
      startReplicaProcess(t, {
        name,
        databaseUrl: postgres.url,
        redisUrl: redisServer.url,
        pods: agents.pods.view.all(),
        agentPort: agents.port,
      }),
    /** A replica that reaches PostgreSQL and Redis through proxies that misbehave on demand. */
    async distantReplica(gate: StepGate = createStepGate()) {
      const databaseUrl = new URL(postgres.url)
      const redisUrl = new URL(redisServer.url)
      const proxies = {
        postgres: await startTcpProxy({ port: Number(databaseUrl.port) }),
        redis: await startTcpProxy({ port: Number(redisUrl.port) }),
      }
      t.teardown(() => Promise.all([proxies.postgres.stop(), proxies.redis.stop()]))
      databaseUrl.port = String(proxies.postgres.port)
      redisUrl.port = String(proxies.redis.port)
      const far = await postgresFor(t, database, { url: databaseUrl.href })
      // On a busy machine a connection may take longer than an open waits for one.
      for (const pool of [far.durable, far.relaxed])
        await until('a connection', () =>
          pool.query('SELECT 1').then(
            () => true,
            () => false,
          ),
        )
      const store = createPostgresSessionStore(far)
      const replica = await startReplica({
        name: 'api-far',
        agents,
        sessions: heldStore(store, gate),
        index: indexOn(await redisFor(t, redisUrl.href)),
      })
      return { ...replica, sessions: store, proxies }
    },
  }
}

export type ClaimBed = Awaited<ReturnType<typeof startClaimBed>>

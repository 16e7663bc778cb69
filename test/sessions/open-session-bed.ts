import type { Test } from 'tap'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import {
  type Database,
  indexOn,
  postgresFor,
  redisFor,
  startDatabase,
  startIndexServer,
} from '../stores/store-servers.ts'
import { notePods } from '../support/noted-pods.ts'
import { type AgentMood, agentType, startAgents, startReplica } from './open-bed.ts'

/** PostgreSQL and Redis for a test file; for each test agents, all of them in the index, and replicas over both. */

type ReplicaOptions = Partial<Parameters<typeof startReplica>[0]>

export async function startOpenServers(t: Test) {
  const database = await startDatabase(t)
  const redisServer = await startIndexServer(t)
  return {
    database,
    startBed: (t: Test, count: number, options: ReplicaOptions = {}) =>
      startBed(t, { database, url: redisServer.url }, count, options),
  }
}

async function startBed(
  t: Test,
  { database, url }: { readonly database: Database; readonly url: string },
  count: number,
  options: ReplicaOptions,
) {
  const agents = await startAgents(t, count)
  const postgres = await postgresFor(t, database)
  await notePods(postgres, [...agents.agents.keys()])
  const sessions = createPostgresSessionStore(postgres)
  const redis = await redisFor(t, url)
  await redis.flushall()
  const index = indexOn(redis)
  await index.rebuild(agentType, agents.slots())
  const replica = (more: ReplicaOptions = {}) =>
    startReplica({ agents, sessions, index, ...options, ...more })
  return {
    agents,
    postgres,
    redis,
    index,
    sessions,
    ledger: createPostgresClaimLedger(postgres),
    replica,
    api: await replica(),
    moods: (...moods: AgentMood[]) => {
      for (const [n, mood] of moods.entries()) agents.agent(`pod-${n}`).mood = mood
    },
    claims: async (): Promise<{ pod_uid: string; purpose: string; reason: string | null }[]> =>
      (await postgres.durable.query('SELECT pod_uid, purpose, reason FROM pod_claims ORDER BY 1')).rows,
  }
}

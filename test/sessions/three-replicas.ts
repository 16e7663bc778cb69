import type { Test } from 'tap'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { indexOn, postgresFor, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { notePods } from '../support/noted-pods.ts'
import { agentType, startAgents, startReplica } from './open-bed.ts'

/** For storms: `start` gives three replicas over one database and one index, with `pods` agents that are fresh. */
export async function startStormServers(t: Test) {
  const database = await startDatabase(t)
  const redisServer = await startIndexServer(t)

  async function start(t: Test, pods: number, poolSize = pods) {
    const agents = await startAgents(t, pods)
    const url = await database.fresh()
    const redis = await redisFor(t, redisServer.url)
    await redis.flushall()
    const index = indexOn(redis)
    await index.rebuild(agentType, agents.slots())
    const postgres = await postgresFor(t, database, { url })
    await notePods(postgres, [...agents.agents.keys()])
    const startOne = async (name: string) => {
      const sessions = createPostgresSessionStore(await postgresFor(t, database, { url }))
      const own = indexOn(await redisFor(t, redisServer.url))
      return startReplica({ name, agents, sessions, index: own, poolSize })
    }
    const replicas = await Promise.all(['api-1', 'api-2', 'api-3'].map(startOne))
    return {
      agents,
      postgres,
      redis,
      index,
      replica(n: number) {
        const found = replicas[n % replicas.length]
        if (!found) throw new Error('no such replica')
        return found
      },
      activationsDone: () => Promise.all(replicas.map((replica) => replica.activationsDone())),
    }
  }
  return { start, redisServer }
}

type StormServers = Awaited<ReturnType<typeof startStormServers>>
export type StormBed = Awaited<ReturnType<StormServers['start']>>

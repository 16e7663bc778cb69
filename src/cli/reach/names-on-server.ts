import type { PoolList, SessionList } from '../../client/api-types.ts'
import type { LimitsList } from '../../http/limit-routes.ts'
import type { Kind } from '../line/command-spec.ts'
import { openServer } from './server-connection.ts'

interface Named {
  readonly name: string
  readonly help: string
}

/** A person waits for it with a finger on the tab key. */
const timeoutMs = 1_500

/** What the server that the environment names knows by name. */
export async function namesOnServer(kind: Exclude<Kind, 'file'>): Promise<readonly Named[]> {
  await using server = await openServer({})
  if (kind === 'pool') {
    const { pools } = await server.ask<PoolList>('/v1/pools', { timeoutMs })
    return pools.map(({ agentType, ready }) => ({ name: agentType, help: `${ready} ready` }))
  }
  if (kind === 'project') {
    const { projects } = await server.ask<LimitsList>('/v1/limits', { timeoutMs })
    return projects.map(({ projectId }) => ({ name: projectId, help: 'has limits' }))
  }
  const { sessions } = await server.ask<SessionList>('/v1/sessions?limit=50', { timeoutMs })
  return sessions.map(({ id, status, agentType }) => ({ name: id, help: `${status} ${agentType}` }))
}

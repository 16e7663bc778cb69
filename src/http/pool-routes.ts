import { GreenroomError } from '../errors.ts'
import type { TypedApp } from '../serving/typed-app.ts'
import type { ReadPools } from '../sessions/read-pools.ts'
import { PoolList, PoolParams, PoolView, ProblemView } from './api-schemas.ts'

const refusals = { '4xx': ProblemView, '5xx': ProblemView }

export function addPoolRoutes(app: TypedApp, readPools: ReadPools): void {
  app.get(
    '/v1/pools',
    {
      schema: {
        operationId: 'listPools',
        summary: 'What each pool has, wants and is bound by',
        tags: ['pools'],
        response: { 200: PoolList, ...refusals },
      },
    },
    async () => ({ pools: (await readPools.all()) as never }),
  )
  app.get(
    '/v1/pools/:agentType',
    {
      schema: {
        operationId: 'readPool',
        summary: 'One pool',
        tags: ['pools'],
        params: PoolParams,
        response: { 200: PoolView, ...refusals },
      },
    },
    async ({ params: { agentType } }) => {
      const pool = await readPools.one(agentType)
      if (!pool)
        throw new GreenroomError('GRN_UNKNOWN_AGENT_TYPE', `There is no pool of "${agentType.slice(0, 64)}".`)
      return pool as never
    },
  )
}

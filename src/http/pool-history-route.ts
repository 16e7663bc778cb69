import { Type } from 'typebox'
import { keptHistoryMinutes, PoolHistory } from '../domain/pool-history.ts'
import type { Service } from '../serving/service.ts'
import type { ReadPoolHistory } from '../sessions/read-pool-history.ts'
import { PoolParams, refusals } from './api-schemas.ts'

const HistoryQuery = Type.Object(
  { minutes: Type.Integer({ minimum: 1, maximum: keptHistoryMinutes, default: 60 }) },
  { additionalProperties: false },
)

export function addPoolHistoryRoute(app: Service, readPoolHistory: ReadPoolHistory): void {
  app.get(
    '/v1/pools/:agentType/history',
    {
      config: { needs: 'pools:read', canWait: true },
      schema: {
        operationId: 'readPoolHistory',
        summary: 'How a pool was in each of the last minutes, a day at most',
        tags: ['pools'],
        params: PoolParams,
        querystring: HistoryQuery,
        response: { 200: PoolHistory, ...refusals },
      },
    },
    async ({ params, query }) => readPoolHistory(params.agentType, query.minutes),
  )
}

import { RolloutReport } from '../domain/rollout-report.ts'
import type { Service } from '../serving/service.ts'
import type { SteerRollout } from '../sessions/steer-rollout.ts'
import { PoolParams, refusals } from './api-schemas.ts'
import { callerOf } from './project-of.ts'

const orders = {
  undo: 'Make pods from the template before, until that of the document changes',
  pause: 'Replace no pod until it is resumed',
  resume: 'Go on after a pause or an undo, and try a failed canary again',
} as const

export function addRolloutRoutes(app: Service, steerRollout: SteerRollout): void {
  const schema = { tags: ['pools'], params: PoolParams, response: { 200: RolloutReport, ...refusals } }
  app.get(
    '/v1/pools/:agentType/rollout',
    {
      config: { needs: 'pools:read' },
      schema: { ...schema, operationId: 'readRollout', summary: 'How far the roll-out of a pool is' },
    },
    async ({ params: { agentType } }) => steerRollout.read(agentType),
  )
  for (const order of ['undo', 'pause', 'resume'] as const) {
    app.post(
      `/v1/pools/:agentType/rollout/${order}`,
      {
        config: { needs: 'admin', everyProject: true },
        schema: { ...schema, operationId: `${order}Rollout`, summary: orders[order] },
      },
      async (request) => steerRollout[order](request.params.agentType, callerOf(request)),
    )
  }
}

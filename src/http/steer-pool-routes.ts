import { Type } from 'typebox'
import { PoolChange, RetiredPod, SizeBody } from '../domain/pool-change.ts'
import type { Service } from '../serving/service.ts'
import type { SteerPools } from '../sessions/steer-pools.ts'
import { PoolParams, refusals } from './api-schemas.ts'
import { callerOf } from './project-of.ts'

const PodParams = Type.Object({ agentType: Type.String(), name: Type.String() })

const config = { needs: 'admin', everyProject: true } as const
const tags = ['pools']
const rights =
  'A ServiceAccount needs the right to update ConfigMap agent-pools in Kubernetes as well. With GREENROOM_EDIT_POOLS=false it is refused.'

const orders = {
  freeze: 'Create and retire no pod of a pool of its own accord until it is thawed',
  thaw: 'End the freeze of a pool',
} as const

/** Changes of a pool's document, and the retirement of one pod. */
export function addSteerPoolRoutes(app: Service, steerPools: SteerPools): void {
  for (const order of ['freeze', 'thaw'] as const) {
    app.post(
      `/v1/pools/:agentType/${order}`,
      {
        config,
        schema: {
          operationId: `${order}Pool`,
          summary: orders[order],
          description: rights,
          tags,
          params: PoolParams,
          response: { 200: PoolChange, ...refusals },
        },
      },
      async (request) => steerPools[order](request.params.agentType, callerOf(request)),
    )
  }
  app.post(
    '/v1/pools/:agentType/size',
    {
      config,
      schema: {
        operationId: 'resizePool',
        summary: 'Change min and max of a pool, or show how its document would change',
        description: rights,
        tags,
        params: PoolParams,
        body: SizeBody,
        response: { 200: PoolChange, ...refusals },
      },
    },
    async (request) => steerPools.resize(request.params.agentType, request.body, callerOf(request)),
  )
  app.post(
    '/v1/pools/:agentType/pods/:name/retire',
    {
      config,
      schema: {
        operationId: 'retirePod',
        summary: 'Take an idle pod out of service for good',
        tags,
        params: PodParams,
        response: { 200: RetiredPod, ...refusals },
      },
    },
    async (request) => steerPools.retirePod(request.params.agentType, request.params.name, callerOf(request)),
  )
}

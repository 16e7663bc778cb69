import { PoolReport } from '../domain/pool-report.ts'
import { GreenroomError } from '../errors.ts'
import type { Service } from '../serving/service.ts'
import type { ReadPools } from '../sessions/read-pools.ts'
import { PoolList, PoolParams, refusals } from './api-schemas.ts'
import type { SignalOf } from './call-signals.ts'
import type { EnterListGate } from './list-gate.ts'

export function addPoolRoutes(
  app: Service,
  readPools: ReadPools,
  { signalOf, enterListGate }: { readonly signalOf: SignalOf; readonly enterListGate: EnterListGate },
): void {
  app.get(
    '/v1/pools',
    {
      config: { needs: 'pools:read', canWait: true },
      schema: {
        operationId: 'listPools',
        summary: 'What each pool has, wants and is bound by',
        tags: ['pools'],
        response: { 200: PoolList, ...refusals },
      },
    },
    async (_request, reply) => {
      await enterListGate(reply, signalOf(reply))
      return { pools: await readPools.all() }
    },
  )
  app.get(
    '/v1/pools/:agentType',
    {
      config: { needs: 'pools:read', canWait: true },
      schema: {
        operationId: 'readPool',
        summary: 'One pool',
        tags: ['pools'],
        params: PoolParams,
        response: { 200: PoolReport, ...refusals },
      },
    },
    async ({ params: { agentType } }) => {
      const pool = await readPools.one(agentType)
      if (!pool)
        throw new GreenroomError('GRN_UNKNOWN_AGENT_TYPE', `There is no pool of "${agentType.slice(0, 64)}".`)
      return pool
    },
  )
}

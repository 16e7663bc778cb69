import type { Registry } from 'prom-client'
import { GreenroomError } from '../errors.ts'
import type { ReadPools } from '../sessions/read-pools.ts'
import { PoolList, PoolParams, PoolView, ProblemView } from './api-schemas.ts'
import type { TypedApp } from './typed-app.ts'

/** `failed` makes the replica unready; `degraded` only says so. */
export type CheckState = 'ok' | 'degraded' | 'failed'
export type ReadinessChecks = () => Readonly<Record<string, CheckState>>

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

/** Probes and metrics; without a key, as Kubernetes and Prometheus expect. Aliases are the seeds' names. */
export function addServiceRoutes(app: TypedApp, registry: Registry, checks: ReadinessChecks): void {
  for (const path of ['/livez', '/health']) {
    app.get(path, { schema: { hide: true } }, async () => ({ status: 'healthy' }))
  }
  for (const path of ['/readyz', '/ready']) {
    app.get(path, { schema: { hide: true } }, async (request, reply) => {
      const results = checks()
      const failed = Object.values(results).includes('failed')
      const degraded = Object.values(results).includes('degraded')
      const status = failed ? 'not ready' : degraded ? 'degraded' : 'ready'
      const verbose = Object.hasOwn(request.query as object, 'verbose')
      return reply.code(failed ? 503 : 200).send({ status, ...(verbose && { checks: results }) })
    })
  }
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.header('content-type', registry.contentType).send(await registry.metrics()),
  )
}

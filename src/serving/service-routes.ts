import type { Registry } from 'prom-client'
import type { TypedApp } from './typed-app.ts'

/** `failed` makes the replica unready; `degraded` only says so. */
export type CheckState = 'ok' | 'degraded' | 'failed'
export type ReadinessChecks = () => Readonly<Record<string, CheckState>>

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

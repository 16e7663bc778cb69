import type { Registry } from 'prom-client'
import type { Service } from './service.ts'

/** `failed` makes the replica unready; `degraded` only says so. */
export type CheckState = 'ok' | 'degraded' | 'failed'
type ReadinessChecks = () => Readonly<Record<string, CheckState>>

export interface ServiceRouteOptions {
  readonly registry: Registry
  readonly checks: ReadinessChecks
  /** Facts behind the checks, shown with every answer to a readiness probe. */
  readonly details?: () => unknown
}

const schema = { hide: true }

/**
 * Probes and metrics, the same for every process; without a key, as Kubernetes and Prometheus expect. `/health` and
 * `/ready` are older names of `/livez` and `/readyz`.
 */
export function addServiceRoutes(app: Service, { registry, checks, details }: ServiceRouteOptions): void {
  addLiveness(app)
  for (const path of ['/readyz', '/ready']) {
    app.get(path, { schema }, async (request, reply) => {
      const results = checks()
      const { code, status } = readinessOf(results)
      const verbose = Object.hasOwn(request.query as object, 'verbose')
      return reply
        .code(code)
        .send({ status, ...(details && { details: details() }), ...(verbose && { checks: results }) })
    })
  }
  app.get('/metrics', { schema }, async (_request, reply) =>
    reply.header('content-type', registry.contentType).send(await registry.metrics()),
  )
}

/** Probes that tell a stranger nothing but the answer, for a port that everybody reaches. */
export function addBareProbes(app: Service, { checks }: Pick<ServiceRouteOptions, 'checks'>): void {
  addLiveness(app)
  for (const path of ['/readyz', '/ready']) {
    app.get(path, { schema }, async (_request, reply) => {
      const { code, status } = readinessOf(checks())
      return reply.code(code).send({ status })
    })
  }
}

function addLiveness(app: Service): void {
  for (const path of ['/livez', '/health']) {
    app.get(path, { schema }, async () => ({ status: 'healthy' }))
  }
}

function readinessOf(results: Readonly<Record<string, CheckState>>): { code: number; status: string } {
  const states = Object.values(results)
  if (states.includes('failed')) return { code: 503, status: 'not ready' }
  return { code: 200, status: states.includes('degraded') ? 'degraded' : 'ready' }
}

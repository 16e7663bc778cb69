import type { Registry } from 'prom-client'
import { openMetricsContentType, openMetricsText, wantsOpenMetrics } from './open-metrics.ts'
import type { Service } from './service.ts'

/** `failed` makes the replica unready; `degraded` only says so. */
export type CheckState = 'ok' | 'degraded' | 'failed'
export type ReadinessChecks = () => Readonly<Record<string, CheckState>>

export interface ServiceRouteOptions {
  readonly registry: Registry
  readonly checks: ReadinessChecks
  /** Facts behind the checks, shown with every answer to a readiness probe. */
  readonly details?: () => unknown
}

const schema = { hide: true }

/** Probes with their reasons, and metrics, without a key, as Prometheus expects: for a port that only operators reach. */
export function addServiceRoutes(app: Service, options: ServiceRouteOptions): void {
  const { registry } = options
  addProbeRoutes(app, { ...options, explains: true })
  app.get('/metrics', { schema }, async (request, reply) =>
    wantsOpenMetrics(request.headers.accept)
      ? reply.header('content-type', openMetricsContentType).send(await openMetricsText(registry))
      : reply.header('content-type', registry.contentType).send(await registry.metrics()),
  )
}

interface ProbeOptions extends Pick<ServiceRouteOptions, 'checks' | 'details'> {
  /** Whether an answer tells what it waits for; not on a port that everybody reaches. */
  readonly explains: boolean
}

/**
 * Probes, the same for every process, without a key, as Kubernetes expects. `/health` and `/ready` are older names of
 * `/livez` and `/readyz`.
 */
export function addProbeRoutes(app: Service, { checks, details, explains }: ProbeOptions): void {
  for (const path of ['/livez', '/health']) {
    app.get(path, { schema }, async () => ({ status: 'healthy' }))
  }
  for (const path of ['/readyz', '/ready']) {
    app.get(path, { schema }, async (request, reply) => {
      const results = checks()
      const states = Object.values(results)
      const failed = states.includes('failed')
      const status = failed ? 'not ready' : states.includes('degraded') ? 'degraded' : 'ready'
      const verbose = explains && Object.hasOwn(request.query as object, 'verbose')
      return reply
        .code(failed ? 503 : 200)
        .send({ status, ...(details && { details: details() }), ...(verbose && { checks: results }) })
    })
  }
}

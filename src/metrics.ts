import { collectDefaultMetrics, Registry } from 'prom-client'
import { createApiMetrics } from './api-metrics.ts'
import { createControllerMetrics } from './controller-metrics.ts'
import { createPoolMetrics } from './pool-metrics.ts'
import { createProcessMetrics } from './process-metrics.ts'

export type { OpenStage } from './api-metrics.ts'

/** The metrics of the session server, in the process's only registry. No session ids as labels. */
export function createMetrics(registry = new Registry()) {
  collectDefaultMetrics({ register: registry })
  return {
    registry,
    ...createProcessMetrics(registry),
    ...createApiMetrics(registry),
    ...createPoolMetrics(registry),
    ...createControllerMetrics(registry),
  }
}

export type Metrics = ReturnType<typeof createMetrics>

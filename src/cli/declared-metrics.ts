import { Registry } from 'prom-client'
import { builtInPolicy } from '../admission/rules/check-policy.ts'
import { createAgentSeries } from '../agent/agent-metrics.ts'
import { createApiMetrics } from '../api-metrics.ts'
import { createCertificateMetrics } from '../certificates/certificate-metrics.ts'
import { createControllerMetrics } from '../controller-metrics.ts'
import { createPoolMetrics } from '../pool-metrics.ts'
import { createProcessMetrics } from '../process-metrics.ts'
import { registerPolicyMetrics } from '../webhook/policy-metrics.ts'
import { createWebhookMetrics, registerGateMetrics } from '../webhook/webhook-metrics.ts'

export interface DeclaredMetric {
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
  readonly help: string
}

/** Which process has the series. */
export type MetricRole = 'both' | 'api' | 'controller' | 'webhook' | 'agent'

/** Everything that Greenroom's own processes and the agents of its SDK tell Prometheus, as they declare it. */
export async function declaredMetrics(): Promise<Readonly<Record<MetricRole, readonly DeclaredMetric[]>>> {
  const of = (...declare: ((registry: Registry) => unknown)[]) => {
    const registry = new Registry()
    for (const one of declare) one(registry)
    return metricsOf(registry)
  }
  return {
    both: of(createProcessMetrics),
    api: of(createApiMetrics),
    controller: of(createPoolMetrics, createControllerMetrics),
    webhook: of(
      createWebhookMetrics,
      (registry) => registerGateMetrics(registry, { inside: () => 0, waiting: () => 0 }),
      (registry) => registerPolicyMetrics({ registry, policy: () => builtInPolicy, status: () => ({}) }),
      createCertificateMetrics,
    ),
    agent: metricsOf((await createAgentSeries('echo-agent')).registry),
  }
}

function metricsOf(registry: Pick<Registry, 'getMetricsAsArray'>): readonly DeclaredMetric[] {
  return registry.getMetricsAsArray().map((metric) => {
    const labels = 'labelNames' in metric ? (metric.labelNames as readonly string[]) : []
    return { name: metric.name, type: String(metric.type), labels, help: metric.help }
  })
}

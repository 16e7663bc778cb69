import { type Metric, type OpenMetricsContentType, Registry } from 'prom-client'

/** Whether a scraper takes the format that has exemplars. Prometheus prefers it. */
export function wantsOpenMetrics(accept: string | undefined): boolean {
  return accept?.includes('application/openmetrics-text') ?? false
}

/**
 * A registry's metrics in OpenMetrics. prom-client writes that only for a registry of that kind, and takes `_total` from the
 * names of its counters as it does, so what it writes are copies in name: they share the values.
 */
export async function openMetricsText(registry: Registry): Promise<string> {
  const copy = new Registry<OpenMetricsContentType>()
  copy.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  // They are the metrics themselves; prom-client's types promise less.
  for (const metric of registry.getMetricsAsArray()) copy.registerMetric(sharing(metric))
  return copy.metrics()
}

function sharing(metric: { readonly name: string }): Metric {
  return Object.create(metric, { name: { value: metric.name, writable: true } }) as Metric
}

export const openMetricsContentType = Registry.OPENMETRICS_CONTENT_TYPE

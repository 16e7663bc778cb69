import type { PrometheusContentType } from 'prom-client'
import { latencyBuckets } from '../domain/latency-buckets.ts'

/** Latencies held for the first scrape. An agent that is never scraped must not hold more and more: 8 KB. */
const mostHeld = 1_000

export interface AgentMetrics {
  /** One message of the session was answered, so many seconds after it came. */
  messageProcessed(latencySeconds: number): void
  readonly contentType: PrometheusContentType
  /** Prometheus text format. */
  text(): Promise<string>
}

/**
 * Labels are bounded: agent type only, never a session id. prom-client is loaded at the first scrape: it costs 25 ms,
 * and the refill of a pool waits for the start of every agent.
 */
export function createAgentMetrics(agentType: string): AgentMetrics {
  const held: number[] = []
  let series: ReturnType<typeof createAgentSeries> | undefined
  const load = async () => {
    const { observe, registry } = await (series ??= createAgentSeries(agentType))
    for (const latencySeconds of held.splice(0)) observe(latencySeconds)
    return registry
  }
  return {
    messageProcessed(latencySeconds) {
      held.push(latencySeconds)
      if (held.length >= mostHeld) void load()
    },
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    text: async () => (await load()).metrics(),
  }
}

/** The series of one agent. */
export async function createAgentSeries(agentType: string) {
  const { Counter, Histogram, Registry } = await import('prom-client')
  const registry = new Registry()
  const labels = { agent_type: agentType }
  const messages = new Counter({
    name: 'agent_messages_processed_total',
    help: 'Messages of the session that the agent has processed.',
    labelNames: ['agent_type'],
    registers: [registry],
  })
  const latency = new Histogram({
    name: 'agent_response_latency_seconds',
    help: 'Time from a message to its answer, in seconds.',
    labelNames: ['agent_type'],
    buckets: latencyBuckets,
    registers: [registry],
  })
  // Both show 0 from the start, so that a rate counts the first message.
  messages.inc(labels, 0)
  latency.zero(labels)
  return {
    registry,
    observe: (latencySeconds: number): void => {
      messages.inc(labels)
      latency.observe(labels, latencySeconds)
    },
  }
}

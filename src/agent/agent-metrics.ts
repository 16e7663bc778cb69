import { createRequire } from 'node:module'
import type * as PromClient from 'prom-client'

// prom-client as a whole costs 45–95 ms at import, these three files 6 ms, and a refill waits for the agent's start.
const load = createRequire(import.meta.url)
const Registry = load('prom-client/lib/registry.js') as typeof PromClient.Registry
const Counter = load('prom-client/lib/counter.js') as typeof PromClient.Counter
const Histogram = load('prom-client/lib/histogram.js') as typeof PromClient.Histogram

/** From an echo (below a millisecond) to a slow model's first token, seconds. */
const latencyBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export interface AgentMetrics {
  /** One message of the session was answered, so many seconds after it came. */
  messageProcessed(latencySeconds: number): void
  readonly contentType: string
  /** Prometheus text format. */
  text(): Promise<string>
}

/** Labels are bounded: agent type only, never a session id. */
export function createAgentMetrics(agentType: string): AgentMetrics {
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
    messageProcessed(latencySeconds) {
      messages.inc(labels)
      latency.observe(labels, latencySeconds)
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  }
}

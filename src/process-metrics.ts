import { Counter, Gauge, type Registry } from 'prom-client'

/** What every role of the session server counts. */
export function createProcessMetrics(registry: Registry) {
  const registers = [registry]
  return {
    loopErrors: new Counter({
      name: 'greenroom_loop_errors_total',
      help: 'Errors of background loops, by loop.',
      labelNames: ['loop'],
      registers,
    }),
    traceSpans: new Counter({
      name: 'greenroom_trace_spans_total',
      help: 'Spans that were recorded, by outcome: exported, failed (the collector did not take them), dropped (too many waited).',
      labelNames: ['outcome'],
      registers,
    }),
    indexUnknown: new Gauge({
      name: 'greenroom_index_unknown',
      help: '1 while the last look at the Redis index found it missing or unreachable; claims go on without it.',
      registers,
    }),
    podsRetired: new Counter({
      name: 'greenroom_pods_retired_total',
      help: 'Pods taken out of service for good without serving a session.',
      labelNames: ['agent_type', 'cause'],
      registers,
    }),
    agentJoins: new Counter({
      name: 'greenroom_agent_joins_total',
      help: 'Agents and their LiveKit rooms, by outcome: joined, retried (got a fresh token), overdue (marked), failed (session ended).',
      labelNames: ['agent_type', 'outcome'],
      registers,
    }),
  }
}

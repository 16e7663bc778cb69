import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { latencyBuckets } from './domain/latency-buckets.ts'

export type OpenStage = 'reserve' | 'commit' | 'deliver' | 'activate' | 'wait'

/** From an agent that was ready to join (tens of ms) to one that LiveKit kept waiting for the watchdog. */
const joinBuckets = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 20, 60]

/** What the session API counts, in each replica. */
export function createApiMetrics(registry: Registry) {
  const registers = [registry]
  return {
    openSeconds: openSecondsIn(registry),
    batchSeconds: new Histogram({
      name: 'greenroom_batch_seconds',
      help: 'Time of a batch of opens, by mode (all, available) and outcome (opened, partial, refused). Each of its opens counts in greenroom_open_seconds as well.',
      labelNames: ['mode', 'outcome'],
      buckets: latencyBuckets,
      registers,
    }),
    openStageSeconds: new Histogram({
      name: 'greenroom_open_stage_seconds',
      help: 'Time of one step of an open: reserve (Redis), commit (PostgreSQL), deliver (pod), activate (PostgreSQL, behind most answers), wait.',
      labelNames: ['stage'],
      buckets: latencyBuckets,
      registers,
    }),
    activationsBehind: new Gauge({
      name: 'greenroom_activations_behind',
      help: 'Sessions whose open was answered on the acknowledgement of its pod and that PostgreSQL does not have as ACTIVE yet, in this replica.',
      registers,
    }),
    podsAsked: new Counter({
      name: 'greenroom_pods_asked_total',
      help: 'Pods that were asked whether they serve a session that was left PENDING, by answer: held (it is ACTIVE now), denied (nobody was told of it), unknown (no answer).',
      labelNames: ['answer'],
      registers,
    }),
    deliveries: new Counter({
      name: 'greenroom_deliveries_total',
      help: 'Assignments sent to pods, by outcome.',
      labelNames: ['agent_type', 'outcome'],
      registers,
    }),
    proposalsRefused: new Counter({
      name: 'greenroom_slot_proposals_refused_total',
      help: 'Pods that the index or the informer proposed for an open and that did not fit, by cause.',
      labelNames: ['agent_type', 'cause'],
      registers,
    }),
    poolWaiting: new Gauge({
      name: 'greenroom_pool_waiting',
      help: 'Opens waiting for a slot in this replica.',
      labelNames: ['agent_type'],
      registers,
    }),
    requestsShed: new Counter({
      name: 'greenroom_requests_shed_total',
      help: 'Opens and lists that were refused because this replica had too much to do, by cause: event-loop, database.',
      labelNames: ['cause'],
      registers,
    }),
    projectRefusals: new Counter({
      name: 'greenroom_project_limit_refusals_total',
      help: 'Opens refused because their project has a limit, by limit: sessions, opens (in a minute), waiting.',
      labelNames: ['limit'],
      registers,
    }),
    projectUnchecked: new Counter({
      name: 'greenroom_project_limit_unchecked_total',
      help: 'Opens of limited projects that were let through uncounted because Redis did not answer, by limit: opens, waiting.',
      labelNames: ['limit'],
      registers,
    }),
    auditDropped: new Counter({
      name: 'greenroom_audit_dropped_total',
      help: 'Entries of the audit log that were not kept: PostgreSQL was away, and as many as may wait did so.',
      registers,
    }),
    agentJoinSeconds: new Histogram({
      name: 'greenroom_agent_join_seconds',
      help: 'Time from the activation of a session until its agent is in the LiveKit room.',
      labelNames: ['agent_type'],
      buckets: joinBuckets,
      registers,
    }),
    roomEvents: new Counter({
      name: 'greenroom_livekit_webhooks_total',
      help: 'Webhooks of LiveKit, by event and by what became of them: taken, repeated, not-ours, not-needed, refused.',
      labelNames: ['event', 'outcome'],
      registers,
    }),
    eventListeners: new Gauge({
      name: 'greenroom_event_listeners',
      help: 'Event streams that hear what happens in this replica.',
      registers,
    }),
    eventsRead: new Counter({
      name: 'greenroom_events_read_total',
      help: 'Events that this replica has read for its listeners, each once.',
      registers,
    }),
    eventStreamsEnded: new Counter({
      name: 'greenroom_event_streams_ended_total',
      help: 'Event streams that ended: the follower left or had its last event (left), or was told why: draining, slow, unauthorized, failed.',
      labelNames: ['reason'],
      registers,
    }),
    leaseRenewals: new Counter({
      name: 'greenroom_lease_renewals_total',
      help: 'Renewals of leases, by who asked (caller, agent) and by outcome: renewed, not-found, stale-epoch, over (the session ended), failed (no answer of PostgreSQL).',
      labelNames: ['by', 'outcome'],
      registers,
    }),
  }
}

/** With the last trace of each bucket, for a scraper that asks in OpenMetrics. Of the names trace_id is an exemplar's, never a label. */
function openSecondsIn(registry: Registry) {
  const openSeconds = new Histogram<'agent_type' | 'outcome' | 'trace_id'>({
    name: 'greenroom_open_seconds',
    help: 'Time to open a session, from the parsed request to the answer, by outcome code.',
    labelNames: ['agent_type', 'outcome'],
    buckets: latencyBuckets,
    enableExemplars: true,
    // prom-client lets exemplars register only where all text is OpenMetrics; ours is either (serving/open-metrics.ts).
    registers: [],
  })
  registry.registerMetric(openSeconds)
  return openSeconds
}

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Resolves 1 ms at the bottom, where a warm claim is, and reaches beyond the deadline of an open. */
const secondsBuckets = [
  0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]

/** From an agent that was ready to join (tens of ms) to one that LiveKit kept waiting for the watchdog. */
const joinBuckets = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 20, 60]

export type OpenStage = 'reserve' | 'commit' | 'deliver' | 'activate' | 'wait'

/** The metrics of the session server, in the process's only registry. No session ids as labels. */
export function createMetrics(registry = new Registry()) {
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  return {
    registry,
    openSeconds: new Histogram({
      name: 'greenroom_open_seconds',
      help: 'Time to open a session, from the parsed request to the answer, by outcome code.',
      labelNames: ['agent_type', 'outcome'],
      buckets: secondsBuckets,
      registers,
    }),
    traceSpans: new Counter({
      name: 'greenroom_trace_spans_total',
      help: 'Spans that were recorded, by outcome: exported, failed (the collector did not take them), dropped (too many waited).',
      labelNames: ['outcome'],
      registers,
    }),
    openStageSeconds: new Histogram({
      name: 'greenroom_open_stage_seconds',
      help: 'Time of one step of an open: reserve (Redis), commit (PostgreSQL), deliver (pod), activate, wait.',
      labelNames: ['stage'],
      buckets: secondsBuckets,
      registers,
    }),
    deliveries: new Counter({
      name: 'greenroom_deliveries_total',
      help: 'Assignments sent to pods, by outcome.',
      labelNames: ['agent_type', 'outcome'],
      registers,
    }),
    podsRetired: new Counter({
      name: 'greenroom_pods_retired_total',
      help: 'Pods taken out of service for good without serving a session.',
      labelNames: ['agent_type', 'cause'],
      registers,
    }),
    poolSlots: new Gauge({
      name: 'greenroom_pool_slots',
      help: 'Slots of a pool by state, as the controller sees them.',
      labelNames: ['agent_type', 'state'],
      registers,
    }),
    poolTarget: new Gauge({
      name: 'greenroom_pool_target',
      help: 'Idle pods that the pool keeps, Ready or starting.',
      labelNames: ['agent_type'],
      registers,
    }),
    poolRecommended: new Gauge({
      name: 'greenroom_pool_recommended',
      help: 'Idle pods that the rule of a pool would keep, where sizing.mode is recommend.',
      labelNames: ['agent_type'],
      registers,
    }),
    poolArrivals: new Counter({
      name: 'greenroom_pool_arrivals_total',
      help: 'Sessions that a pool was asked for, each once, refused and waiting ones too: warm found a free pod, missed did not.',
      labelNames: ['agent_type', 'result'],
      registers,
    }),
    poolWaiting: new Gauge({
      name: 'greenroom_pool_waiting',
      help: 'Opens waiting for a slot in this replica.',
      labelNames: ['agent_type'],
      registers,
    }),
    foreignPods: new Counter({
      name: 'greenroom_pool_pods_refused_total',
      help: 'Pods with the labels of a pool that the controller did not create (foreign), or that others changed since (changed).',
      labelNames: ['agent_type', 'cause'],
      registers,
    }),
    proposalsRefused: new Counter({
      name: 'greenroom_slot_proposals_refused_total',
      help: 'Pods that the index or the informer proposed for an open and that did not fit, by cause.',
      labelNames: ['agent_type', 'cause'],
      registers,
    }),
    podsCreated: new Counter({
      name: 'greenroom_pods_created_total',
      help: 'Pods the controller created, by result.',
      labelNames: ['agent_type', 'result'],
      registers,
    }),
    poolProblem: new Gauge({
      name: 'greenroom_pool_problem',
      help: '1 while a pool does not get its pods, by cause; GET /v1/pools has the words.',
      labelNames: ['agent_type', 'cause'],
      registers,
    }),
    poolQuotaPods: new Gauge({
      name: 'greenroom_pool_quota_pods',
      help: 'Pods in all that the ResourceQuotas allow a pool beside what others use; absent without a quota.',
      labelNames: ['agent_type'],
      registers,
    }),
    podResizes: new Counter({
      name: 'greenroom_pod_resizes_total',
      help: 'Claimed pods whose requests are raised to their full size, by outcome: asked, refused (by the API server), deferred or infeasible (by the node), full.',
      labelNames: ['agent_type', 'outcome'],
      registers,
    }),
    podStartFailures: new Counter({
      name: 'greenroom_pod_start_failures_total',
      help: 'Pods that ended or got stuck before they served, by cause.',
      labelNames: ['agent_type', 'cause'],
      registers,
    }),
    agentJoins: new Counter({
      name: 'greenroom_agent_joins_total',
      help: 'Agents and their LiveKit rooms, by outcome: joined, retried (got a fresh token), overdue (marked), failed (session ended).',
      labelNames: ['agent_type', 'outcome'],
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
    roomsRemoved: new Counter({
      name: 'greenroom_rooms_removed_total',
      help: 'LiveKit rooms removed: their session ended, or (orphan) no record of their session is left.',
      labelNames: ['cause'],
      registers,
    }),
    liveKitAnswers: new Gauge({
      name: 'greenroom_livekit_answers',
      help: "1 while LiveKit's API answers the leading controller. While it is 0 no session ends because of its room.",
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
    sessionsEnded: new Counter({
      name: 'greenroom_sessions_ended_total',
      help: 'Sessions ended by the controller, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    reconciles: new Counter({
      name: 'greenroom_reconciles_total',
      help: 'Reconciles by controller and result.',
      labelNames: ['controller', 'result'],
      registers,
    }),
    leading: new Gauge({
      name: 'greenroom_leader',
      help: '1 while this process is the elected controller.',
      registers,
    }),
    indexUnknown: new Gauge({
      name: 'greenroom_index_unknown',
      help: '1 while the last look at the Redis index found it missing or unreachable; claims go on without it.',
      registers,
    }),
    purged: new Counter({
      name: 'greenroom_purged_rows_total',
      help: 'Rows deleted because they were kept long enough, by table.',
      labelNames: ['table'],
      registers,
    }),
    auditDropped: new Counter({
      name: 'greenroom_audit_dropped_total',
      help: 'Entries of the audit log that were not kept: PostgreSQL was away, and as many as may wait did so.',
      registers,
    }),
    loopErrors: new Counter({
      name: 'greenroom_loop_errors_total',
      help: 'Errors of background loops, by loop.',
      labelNames: ['loop'],
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
    webhookDeliveries: new Counter({
      name: 'greenroom_webhook_deliveries_total',
      help: 'Events sent to webhooks of projects, by outcome: delivered, failed (sent again later).',
      labelNames: ['outcome'],
      registers,
    }),
    webhooksDisabled: new Counter({
      name: 'greenroom_webhooks_disabled_total',
      help: 'Webhooks that get nothing any more, because they failed for three days or said that they are gone.',
      registers,
    }),
    absenceFrozen: new Gauge({
      name: 'greenroom_absence_frozen',
      help: '1 while more live sessions seem to have lost their pod (pods), room (rooms, agents) or record (records: that rooms name, forgotten: that pods name) than is credible: none of these is ended.',
      labelNames: ['what'],
      registers,
    }),
    assignKeys: new Gauge({
      name: 'greenroom_assign_keys',
      help: 'Public assign keys that new pods get, as the leading controller found them; 1 once no old one is needed.',
      registers,
    }),
    assignKeysRemoved: new Counter({
      name: 'greenroom_assign_keys_removed_total',
      help: 'Old public assign keys that the controller removed because nothing needed them any more.',
      registers,
    }),
    admissionDrift: new Gauge({
      name: 'greenroom_admission_drift_pods',
      help: 'Running pods that the policy in force would change or deny, as the leading controller found them.',
      labelNames: ['decision'],
      registers,
    }),
    invariantViolations: new Gauge({
      name: 'greenroom_invariant_violations',
      help: 'Broken invariants by kind, as the leading controller found them in Kubernetes, PostgreSQL and Redis.',
      labelNames: ['kind'],
      registers,
    }),
  }
}

export type Metrics = ReturnType<typeof createMetrics>

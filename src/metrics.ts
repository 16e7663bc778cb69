import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Resolves 1 ms at the bottom, where a warm claim is, and reaches beyond the deadline of an open. */
const secondsBuckets = [
  0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]

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
    podStartFailures: new Counter({
      name: 'greenroom_pod_start_failures_total',
      help: 'Pods that ended or got stuck before they served, by cause.',
      labelNames: ['agent_type', 'cause'],
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
    loopErrors: new Counter({
      name: 'greenroom_loop_errors_total',
      help: 'Errors of background loops, by loop.',
      labelNames: ['loop'],
      registers,
    }),
    absenceFrozen: new Gauge({
      name: 'greenroom_absence_frozen',
      help: '1 while more pods of live sessions are missing than is credible: none of these sessions is ended.',
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

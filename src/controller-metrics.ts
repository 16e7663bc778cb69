import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** An event has its number within a second; an address that was away gets it hours later. */
const lagBuckets = [0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 43_200]

/** A quiet pool takes some milliseconds, a pool whose pods the API server makes some tenths of a second. */
const reconcileBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** What the leading controller counts beside its pools. */
export function createControllerMetrics(registry: Registry) {
  const registers = [registry]
  return {
    sessionsEnded: new Counter({
      name: 'greenroom_sessions_ended_total',
      help: 'Sessions ended by the controller, by reason.',
      labelNames: ['reason'],
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
    reconciles: new Counter({
      name: 'greenroom_reconciles_total',
      help: 'Reconciles by controller and result.',
      labelNames: ['controller', 'result'],
      registers,
    }),
    reconcileSeconds: new Histogram({
      name: 'greenroom_reconcile_seconds',
      help: 'How long a reconcile took, by controller; those that failed count as well.',
      labelNames: ['controller'],
      buckets: reconcileBuckets,
      registers,
    }),
    leading: new Gauge({
      name: 'greenroom_leader',
      help: '1 while this process is the elected controller.',
      registers,
    }),
    purged: new Counter({
      name: 'greenroom_purged_rows_total',
      help: 'Rows deleted because they were kept long enough, by table.',
      labelNames: ['table'],
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
    sessions: new Gauge({
      name: 'greenroom_sessions',
      help: 'Sessions that are not over, by agent type and status.',
      labelNames: ['agent_type', 'status'],
      registers,
    }),
    eventsUnnumbered: new Gauge({
      name: 'greenroom_events_unnumbered',
      help: 'Events of sessions that are committed and that no follower sees yet, because they have no number.',
      registers,
    }),
    eventLagSeconds: new Gauge({
      name: 'greenroom_event_lag_seconds',
      help: 'Age of the oldest event that has no number yet; 0 without one.',
      registers,
    }),
    webhookLagSeconds: new Histogram({
      name: 'greenroom_webhook_lag_seconds',
      help: 'Time from an event until a webhook of a project took it.',
      buckets: lagBuckets,
      registers,
    }),
    webhooks: new Gauge({
      name: 'greenroom_webhooks',
      help: 'Webhooks of projects, by state: active, failing (sent again later), disabled.',
      labelNames: ['state'],
      registers,
    }),
    webhookFailingSeconds: new Gauge({
      name: 'greenroom_webhook_failing_seconds',
      help: 'Since when the webhook that fails longest does so; 0 while none does.',
      registers,
    }),
  }
}

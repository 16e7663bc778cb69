/** What makes each alert fire, and what ends it: series as promtool writes them, a sample each minute. */

export interface AlertCase {
  readonly series: Readonly<Record<string, string>>
  readonly fires: {
    /** `1h5m` after the begin. */
    readonly at: string
    /** Besides the severity. */
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly clearsAt: string
}

const echo = { agent_type: 'echo-agent' }
const arrivals = (result: string) =>
  `greenroom_pool_arrivals_total{agent_type="echo-agent",result="${result}"}`
const goal = 'greenroom_pool_hit_rate_goal_ratio{agent_type="echo-agent"}'
const opens = (le: string) =>
  `greenroom_open_seconds_bucket{agent_type="echo-agent",outcome="opened",le="${le}"}`
const openCount = (outcome: string) =>
  `greenroom_open_seconds_count{agent_type="echo-agent",outcome="${outcome}"}`

/** A gauge that is bad for an hour and then well. */
const badForAnHour = (bad: number | string, well: number | string) => `${bad}x60 ${well}x60`

export const alertCases: Readonly<Record<string, AlertCase>> = {
  GreenroomHitRateBurnsFast: {
    // Of ten sessions a minute two find no pod, where one in a hundred may; then none.
    series: {
      [arrivals('warm')]: '0+8x30 250+10x30',
      [arrivals('missed')]: '0+2x30 60x30',
      [goal]: '0.99x60',
    },
    fires: { at: '20m', labels: echo },
    clearsAt: '40m',
  },
  GreenroomHitRateBurnsSlow: {
    // Eight of a hundred: too few for the page, too many for a month.
    series: {
      [arrivals('warm')]: '0+92x60 5620+100x60',
      [arrivals('missed')]: '0+8x60 480x60',
      [goal]: '0.99x120',
    },
    fires: { at: '50m', labels: echo },
    clearsAt: '1h20m',
  },
  GreenroomOpenLatencyBurnsFast: {
    series: { [opens('0.25')]: '0+8x30 250+10x30', [openCount('opened')]: '0+10x60' },
    fires: { at: '20m', labels: echo },
    clearsAt: '40m',
  },
  GreenroomOpenLatencyBurnsSlow: {
    series: { [opens('0.25')]: '0+92x60 5620+100x60', [openCount('opened')]: '0+100x120' },
    fires: { at: '50m', labels: echo },
    clearsAt: '1h20m',
  },
  GreenroomSessionServerDown: {
    series: { 'up{job="session-management-server-ops",instance="a"}': '0x10 1x10' },
    fires: { at: '5m' },
    clearsAt: '11m',
  },
  GreenroomWebhookDown: {
    series: { 'up{job="agent-webhook-ops",instance="a"}': '0x10 1x10' },
    fires: { at: '5m' },
    clearsAt: '11m',
  },
  GreenroomNoLeader: {
    series: { 'greenroom_leader{instance="a"}': '0x20', 'greenroom_leader{instance="b"}': '0x10 1x10' },
    fires: { at: '5m' },
    clearsAt: '11m',
  },
  GreenroomOpensFail: {
    series: {
      [openCount('opened')]: '0+10x60',
      [openCount('GRN_POOL_EMPTY')]: '0+1x30 30x30',
      [openCount('GRN_INVALID_REQUEST')]: '0+50x60',
    },
    fires: { at: '20m', labels: echo },
    clearsAt: '40m',
  },
  GreenroomPoolEmpty: {
    series: {
      'greenroom_pool_slots{agent_type="echo-agent",state="ready"}': badForAnHour(0, 2),
      'greenroom_pool_slots{agent_type="echo-agent",state="claimed"}': '4x120',
      'greenroom_pool_target{agent_type="echo-agent"}': '2x120',
      'greenroom_pool_slots{agent_type="idle",state="ready"}': '0x120',
      'greenroom_pool_target{agent_type="idle"}': '0x120',
    },
    fires: { at: '10m', labels: echo },
    clearsAt: '1h1m',
  },
  GreenroomPoolProblem: {
    series: { 'greenroom_pool_problem{agent_type="echo-agent",cause="image"}': '1x60 _x60' },
    fires: { at: '10m', labels: { ...echo, cause: 'image' } },
    clearsAt: '1h6m',
  },
  GreenroomAbsenceFrozen: {
    series: { 'greenroom_absence_frozen{what="pods"}': badForAnHour(1, 0) },
    fires: { at: '5m', labels: { what: 'pods' } },
    clearsAt: '1h1m',
  },
  GreenroomInvariantBroken: {
    series: { 'greenroom_invariant_violations{kind="pod-claimed-twice"}': badForAnHour(1, 0) },
    fires: { at: '10m', labels: { kind: 'pod-claimed-twice' } },
    clearsAt: '1h1m',
  },
  GreenroomIndexUnknown: {
    series: { greenroom_index_unknown: badForAnHour(1, 0) },
    fires: { at: '10m' },
    clearsAt: '1h1m',
  },
  GreenroomLiveKitAway: {
    series: { greenroom_livekit_answers: '1x10 0x30 1x10' },
    fires: { at: '20m' },
    clearsAt: '42m',
  },
  GreenroomAgentsMissInRooms: {
    series: {
      'greenroom_agent_joins_total{agent_type="echo-agent",outcome="joined"}': '0+10x120',
      'greenroom_agent_joins_total{agent_type="echo-agent",outcome="overdue"}': '0+2x60 120x60',
    },
    fires: { at: '30m', labels: echo },
    clearsAt: '1h20m',
  },
  GreenroomEventsLate: {
    series: { greenroom_event_lag_seconds: badForAnHour(90, 0) },
    fires: { at: '10m' },
    clearsAt: '1h1m',
  },
  GreenroomProjectWebhookFails: {
    series: { greenroom_webhook_failing_seconds: '0+60x120 0x10' },
    fires: { at: '1h10m' },
    clearsAt: '2h2m',
  },
  GreenroomRequestsShed: {
    series: { 'greenroom_requests_shed_total{cause="event-loop"}': '0+5x30 150x30' },
    fires: { at: '20m', labels: { cause: 'event-loop' } },
    clearsAt: '45m',
  },
  GreenroomAuditLost: {
    series: { greenroom_audit_dropped_total: '0x5 7x60' },
    fires: { at: '10m' },
    clearsAt: '30m',
  },
  GreenroomLoopErrors: {
    series: { 'greenroom_loop_errors_total{loop="leases"}': '0+2x60 120x60' },
    fires: { at: '40m', labels: { loop: 'leases' } },
    clearsAt: '1h20m',
  },
  GreenroomPolicyRefused: {
    series: { greenroom_admission_policy_refused: badForAnHour(1, 0) },
    fires: { at: '10m' },
    clearsAt: '1h1m',
  },
  GreenroomAdmissionDenies: {
    series: {
      'greenroom_admission_violations_total{rule="resources",code="GRN_POD_DENIED",mode="enforce"}':
        '0+2x60 120x60',
      'greenroom_admission_violations_total{rule="probes",code="GRN_POD_DENIED",mode="warn"}': '0+9x120',
    },
    fires: { at: '40m', labels: { rule: 'resources' } },
    clearsAt: '1h20m',
  },
  GreenroomPodsDrift: {
    series: {
      'greenroom_admission_drift_pods{decision="deny"}': badForAnHour(3, 0),
      'greenroom_admission_drift_pods{decision="change"}': '3x120',
    },
    fires: { at: '40m', labels: { decision: 'deny' } },
    clearsAt: '1h1m',
  },
  GreenroomWebhookCertificateExpires: {
    // The clock of promtool begins at 0: a day is left, then a renewal gives ten.
    series: {
      'greenroom_webhook_certificate_expiry_timestamp_seconds{certificate="serving"}': '86400x90 950400x30',
    },
    fires: { at: '1h10m' },
    clearsAt: '1h32m',
  },
}

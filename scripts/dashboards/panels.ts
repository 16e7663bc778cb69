/** What the dashboards show: a panel is a title, a unit and its queries. `write-dashboards.ts` makes Grafana's JSON of it. */

export interface Panel {
  readonly title: string
  readonly unit: 'short' | 's' | 'reqps' | 'percentunit'
  /** Legend → query. */
  readonly queries: Readonly<Record<string, string>>
  /** One number with these bounds of yellow and red, instead of a graph. */
  readonly thresholds?: readonly [yellow: number, red: number]
  /** A number that is bad when it is low: red below the second, yellow below the first. */
  readonly isBadWhenLow?: true
}

export interface Dashboard {
  /** Of the file, and Grafana's uid. */
  readonly name: string
  readonly title: string
  /** The label that a list at the top chooses. */
  readonly variable?: { readonly label: string; readonly from: string }
  readonly panels: readonly Panel[]
}

const rate = (metric: string, labels = '') =>
  `rate(${metric}${labels === '' ? '' : `{${labels}}`}[$__rate_interval])`
const ofType = 'agent_type=~"$agent_type"'
const quantile = (q: number, by: string, metric: string, labels = '') =>
  `histogram_quantile(${q}, sum by (${by}) (${rate(`${metric}_bucket`, labels)}))`

const overview: Dashboard = {
  name: 'greenroom',
  title: 'Greenroom',
  variable: { label: 'agent_type', from: 'greenroom_pool_target' },
  panels: [
    {
      title: 'Session servers that answer',
      unit: 'short',
      queries: { answer: 'sum(up{job="session-management-server-ops"})' },
      thresholds: [2, 1],
      isBadWhenLow: true,
    },
    {
      title: 'Sessions',
      unit: 'short',
      queries: { sessions: `sum(greenroom_sessions{${ofType}}) or vector(0)` },
      thresholds: [10_000, 100_000],
    },
    {
      title: 'Sessions asked for that found a free pod, one hour',
      unit: 'percentunit',
      queries: {
        hit: `sum(increase(greenroom_pool_arrivals_total{result="warm",${ofType}}[1h])) / sum(increase(greenroom_pool_arrivals_total{${ofType}}[1h]))`,
      },
      thresholds: [0.99, 0.9],
      isBadWhenLow: true,
    },
    {
      title: "Days that the webhook's certificate is good for",
      unit: 'short',
      queries: { days: '(min(greenroom_webhook_certificate_expiry_timestamp_seconds) - time()) / 86400' },
      thresholds: [7, 2],
      isBadWhenLow: true,
    },
    {
      title: 'Opens per second, by outcome',
      unit: 'reqps',
      queries: { '{{outcome}}': `sum by (outcome) (${rate('greenroom_open_seconds_count', ofType)})` },
    },
    {
      title: 'Time of a warm open',
      unit: 's',
      queries: {
        p50: quantile(0.5, 'le', 'greenroom_open_seconds', `outcome="opened",${ofType}`),
        p99: quantile(0.99, 'le', 'greenroom_open_seconds', `outcome="opened",${ofType}`),
      },
    },
    {
      title: 'Time of its steps, p99',
      unit: 's',
      queries: { '{{stage}}': quantile(0.99, 'stage, le', 'greenroom_open_stage_seconds') },
    },
    {
      title: 'Deliveries to agents per second, by outcome',
      unit: 'reqps',
      queries: { '{{outcome}}': `sum by (outcome) (${rate('greenroom_deliveries_total', ofType)})` },
    },
    {
      title: 'Renewals per second, by outcome',
      unit: 'reqps',
      queries: { '{{by}} {{outcome}}': `sum by (by, outcome) (${rate('greenroom_lease_renewals_total')})` },
    },
    {
      title: 'Sessions ended per second, by reason',
      unit: 'reqps',
      queries: { '{{reason}}': `sum by (reason) (${rate('greenroom_sessions_ended_total')})` },
    },
    {
      title: 'Agents and their rooms per second, by outcome',
      unit: 'reqps',
      queries: { '{{outcome}}': `sum by (outcome) (${rate('greenroom_agent_joins_total', ofType)})` },
    },
    {
      title: 'Time until the agent is in the room, p99',
      unit: 's',
      queries: { '{{agent_type}}': quantile(0.99, 'agent_type, le', 'greenroom_agent_join_seconds', ofType) },
    },
    {
      title: 'Messages that agents answer per second',
      unit: 'reqps',
      queries: {
        '{{agent_type}}': `sum by (agent_type) (${rate('agent_messages_processed_total', ofType)})`,
      },
    },
    {
      title: 'Time of their answers, p99',
      unit: 's',
      queries: {
        '{{agent_type}}': quantile(0.99, 'agent_type, le', 'agent_response_latency_seconds', ofType),
      },
    },
    {
      title: 'Events: how late they are told',
      unit: 's',
      queries: {
        'without a number': 'max(greenroom_event_lag_seconds)',
        'the webhook that fails longest': 'max(greenroom_webhook_failing_seconds)',
      },
    },
    {
      title: 'What must be 0: frozen, broken, drift, no index',
      unit: 'short',
      queries: {
        'frozen {{what}}': 'max by (what) (greenroom_absence_frozen)',
        'broken {{kind}}': 'max by (kind) (greenroom_invariant_violations)',
        'drift {{decision}}': 'max by (decision) (greenroom_admission_drift_pods)',
        'no index': 'max(greenroom_index_unknown)',
      },
    },
  ],
}

const pools: Dashboard = {
  name: 'greenroom-pools',
  title: 'Greenroom: pools',
  variable: { label: 'agent_type', from: 'greenroom_pool_target' },
  panels: [
    {
      title: 'Pods, by state',
      unit: 'short',
      queries: { '{{agent_type}} {{state}}': `max by (agent_type, state) (greenroom_pool_slots{${ofType}})` },
    },
    {
      title: 'Idle pods: wanted, and there',
      unit: 'short',
      queries: {
        '{{agent_type}} wanted': `max by (agent_type) (greenroom_pool_target{${ofType}})`,
        '{{agent_type}} ready': `max by (agent_type) (greenroom_pool_slots{${ofType},state="ready"})`,
      },
    },
    {
      title: 'What the target was made from',
      unit: 'short',
      queries: {
        '{{agent_type}} {{term}}': `max by (agent_type, term) (greenroom_pool_target_terms{${ofType}})`,
      },
    },
    {
      title: 'Sessions asked for per second: counted, and as the sizing estimates',
      unit: 'reqps',
      queries: {
        '{{agent_type}} {{result}}': `sum by (agent_type, result) (${rate('greenroom_pool_arrivals_total', ofType)})`,
        '{{agent_type}} estimated': `max by (agent_type) (greenroom_pool_demand_per_second{${ofType}})`,
      },
    },
    {
      title: 'Part that found no free pod',
      unit: 'percentunit',
      queries: {
        '{{agent_type}} five minutes': 'agent_type:greenroom_pool_misses:ratio_rate5m',
        '{{agent_type}} six hours': 'agent_type:greenroom_pool_misses:ratio_rate6h',
        '{{agent_type}} allowed': `1 - max by (agent_type) (greenroom_pool_hit_rate_goal_ratio{${ofType}})`,
      },
    },
    {
      title: 'Part of the opens that took more than 250 ms',
      unit: 'percentunit',
      queries: {
        '{{agent_type}} five minutes': 'agent_type:greenroom_opens_slow:ratio_rate5m',
        '{{agent_type}} six hours': 'agent_type:greenroom_opens_slow:ratio_rate6h',
      },
    },
    {
      title: 'Opens that wait',
      unit: 'short',
      queries: { '{{agent_type}}': `sum by (agent_type) (greenroom_pool_waiting{${ofType}})` },
    },
    {
      title: 'Time from the creation of a pod until it is Ready, by why it was made',
      unit: 's',
      queries: {
        '{{cause}} p50': quantile(0.5, 'cause, le', 'greenroom_pod_start_seconds', ofType),
        '{{cause}} p99': quantile(0.99, 'cause, le', 'greenroom_pod_start_seconds', ofType),
      },
    },
    {
      title: 'Pods created per second, by result',
      unit: 'reqps',
      queries: { '{{result}}': `sum by (result) (${rate('greenroom_pods_created_total', ofType)})` },
    },
    {
      title: 'Pools that do not get their pods, by cause',
      unit: 'short',
      queries: {
        '{{agent_type}} {{cause}}': `max by (agent_type, cause) (greenroom_pool_problem{${ofType}})`,
      },
    },
  ],
}

const admission: Dashboard = {
  name: 'greenroom-admission',
  title: 'Greenroom: admission',
  panels: [
    {
      title: 'Webhooks that answer',
      unit: 'short',
      queries: { answer: 'sum(up{job="agent-webhook-ops"})' },
      thresholds: [2, 1],
      isBadWhenLow: true,
    },
    {
      title: 'Pods that the policy in force would refuse',
      unit: 'short',
      queries: { pods: 'max(greenroom_admission_drift_pods{decision="deny"})' },
      thresholds: [1, 10],
    },
    {
      title: 'Namespaces in which the policy is only tried',
      unit: 'short',
      queries: { namespaces: 'max(greenroom_admission_not_enforced_namespaces)' },
      thresholds: [1, 100],
    },
    {
      title: 'A newer agent-policy is refused',
      unit: 'short',
      queries: { refused: 'max(greenroom_admission_policy_refused)' },
      thresholds: [1, 1],
    },
    {
      title: 'Reviews per second, by decision',
      unit: 'reqps',
      queries: { '{{decision}}': `sum by (decision) (${rate('greenroom_admission_reviews_total')})` },
    },
    {
      title: 'Time of a review, p99',
      unit: 's',
      queries: { '{{endpoint}}': quantile(0.99, 'endpoint, le', 'greenroom_admission_review_seconds') },
    },
    {
      title: 'Violations per second, by rule',
      unit: 'reqps',
      queries: {
        '{{rule}} {{mode}}': `sum by (rule, mode) (${rate('greenroom_admission_violations_total')})`,
      },
    },
    {
      title: 'Pods changed per second, by rule',
      unit: 'reqps',
      queries: { '{{rule}}': `sum by (rule) (${rate('greenroom_admission_changes_total')})` },
    },
    {
      title: 'Reviews that are being read, and that wait',
      unit: 'short',
      queries: {
        'being read': 'sum(greenroom_admission_in_flight)',
        waiting: 'sum(greenroom_admission_waiting)',
      },
    },
    {
      title: 'Policy in force, by version',
      unit: 'short',
      queries: { 'version {{version}}': 'sum by (version) (greenroom_admission_policy_info)' },
    },
  ],
}

export const dashboards: readonly Dashboard[] = [overview, pools, admission]

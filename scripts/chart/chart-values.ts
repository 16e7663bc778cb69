import { Type } from 'typebox'
import { documentSchemas } from '../../src/cli/document-schemas.ts'
import {
  closed,
  count,
  digest,
  flag,
  group,
  percent,
  persistence,
  quantity,
  resources,
  sized,
  store,
  tag,
  text,
  words,
} from './value-kinds.ts'

/**
 * Every value of the chart with its meaning and its default. What is not here is refused by Helm. write-chart.ts makes
 * values.yaml, values.schema.json and the table of docs/operate/helm.md of it.
 */

/** Go's regular expressions look neither ahead nor behind, so what a pattern excludes is left to admission. */
const isForGo = (pattern: unknown): boolean => !(typeof pattern === 'string' && pattern.includes('(?'))

/** A document's schema as Helm reads it. Admission judges the document as well, and with all of it. */
function documentSchema(
  file: string,
  more: (key: string, value: unknown) => boolean = () => true,
): Record<string, unknown> {
  const forGo = (key: string, value: unknown): unknown =>
    (key === 'pattern' && !isForGo(value)) || !more(key, value) ? undefined : value
  const {
    $schema: _dialect,
    title: _title,
    ...schema
  } = JSON.parse(documentSchemas()[file] ?? '') as Record<string, unknown>
  return JSON.parse(JSON.stringify(schema, forGo)) as Record<string, unknown>
}

/** Whatever is left out stays as the chart has it, so nothing is required. */
const policyPart = documentSchema(
  'agent-policy.schema.json',
  (key, value) => !(key === 'required' && Array.isArray(value)),
)
const { pools: poolsPart } = documentSchema('agent-pools.schema.json')['properties'] as Record<string, object>

export const chartValues = group({
  replicaCount: count('Session servers, where `autoscaling.enabled` is false.', 2),
  image: group({
    repository: text('Our image, with the registry that your nodes pull from.', 'greenroom', {
      minLength: 1,
    }),
    tag: tag('Its tag. Empty: the version of the chart.'),
    digest: digest('Its digest, instead of a tag.'),
    pullPolicy: Type.Union([Type.Literal('IfNotPresent'), Type.Literal('Always'), Type.Literal('Never')], {
      description: 'When nodes pull it.',
      default: 'IfNotPresent',
    }),
  }),
  imagePullSecrets: Type.Array(group({ name: Type.String({ minLength: 1 }) }), {
    description: 'Secrets for the registry, in ai-agents and in greenroom-system.',
    default: [],
  }),
  resources: resources('a session server', sized('250m', '512Mi', '1000m', '1Gi')),
  logLevel: Type.Union(
    ['trace', 'debug', 'info', 'warn', 'error'].map((level) => Type.Literal(level)),
    { description: 'What the session server logs.', default: 'info' },
  ),
  editPools: flag(
    'Whether the session API may change ConfigMap `agent-pools` (`min`, `max`, `frozen`) for those who administer every project.',
    true,
  ),
  tryPage: flag('A page at `/try` that opens a session and talks to its agent.', false),
  corsOrigins: Type.Array(Type.String({ pattern: '^https?://[a-z0-9.-]+(:[0-9]{1,5})?$' }), {
    description: 'Origins whose pages may call the session API from a browser, each as a whole.',
    default: [],
  }),
  oidc: group({
    issuer: text('Bearer tokens of this OpenID Connect issuer are taken. Empty: none.', '', {
      pattern: '^(https://\\S+)?$',
    }),
    audience: text('The audience that they must be for. Needed with `oidc.issuer`.'),
    jwksUrl: text("Where its keys are. Empty: the issuer's discovery document says so.", '', {
      pattern: '^(https://\\S+)?$',
    }),
    projectClaim: text('The claim that names the project. Empty: every token is good for every project.'),
    scopesClaim: text('The claim that grants scopes, a text with blanks or a list.', 'scope', {
      minLength: 1,
    }),
    scopes: words('Scopes by value of that claim: `{ops: admin, staff: "sessions:open sessions:read"}`.'),
  }),
  callerServiceAccounts: words(
    'ServiceAccounts whose tokens with audience `greenroom` are taken, with project and scopes: `{"shop/frontend": "checkout sessions:open sessions:end"}`.',
  ),
  tokenReview: flag(
    'The API server is asked about such tokens as well; binds the session server to `system:auth-delegator`.',
    false,
  ),
  publicDocs: flag('`/docs` and `/openapi.json` without an API key.', false),
  service: group({
    type: Type.Union([Type.Literal('ClusterIP'), Type.Literal('NodePort'), Type.Literal('LoadBalancer')], {
      description: 'Of the Service `session-management-server`.',
      default: 'ClusterIP',
    }),
    annotations: words('Annotations of that Service.'),
  }),
  serviceAccount: group({
    annotations: words(
      'Annotations of the ServiceAccounts of session server and migration. The policy fixes their names.',
    ),
  }),
  autoscaling: group({
    enabled: flag(
      'A HorizontalPodAutoscaler decides how many session servers run; `replicaCount` is without effect.',
      true,
    ),
    minReplicas: count('At least.', 2),
    maxReplicas: count('At most.', 10),
    targetCPUUtilizationPercentage: percent('Of the requested CPU. `null`: CPU does not count.', 70),
    targetMemoryUtilizationPercentage: percent(
      'Of the requested memory. `null`: memory does not count.',
      null,
    ),
    behavior: Type.Object(
      { scaleUp: Type.Optional(Type.Object({})), scaleDown: Type.Optional(Type.Object({})) },
      { ...closed, description: 'How fast it may go up and down, as Kubernetes has it.', default: {} },
    ),
  }),
  ingress: group({
    enabled: flag('An Ingress for the session API.', false),
    className: text('Its `ingressClassName`.', 'nginx'),
    host: text('The name under which callers reach the session API.', '', {
      pattern: '^([a-z0-9*]([-a-z0-9.]*[a-z0-9])?)?$',
    }),
    annotations: words('More annotations; yours win.'),
    tls: group({
      enabled: flag('TLS for the host.', true),
      secretName: text('Secret with the certificate.', 'session-management-server-tls', { minLength: 1 }),
      clusterIssuer: text('Issuer of cert-manager that fills it. Empty: you fill it.', 'letsencrypt-prod'),
    }),
  }),
  postgresql: group({
    enabled: flag(
      'PostgreSQL in ai-agents, one server. Production: a managed server, named in `DATABASE_URL`.',
      false,
    ),
    ...store(
      'postgres',
      'postgres:16.15',
      '`POSTGRES_USER`, `POSTGRES_DB` and `POSTGRES_PASSWORD`',
      sized('250m', '256Mi', '500m', '512Mi'),
    ),
    persistence: persistence('the database'),
  }),
  backup: group({
    enabled: flag(
      'A dump of that database each night, the last seven are kept. Needs `postgresql.enabled`.',
      false,
    ),
    schedule: text('When, in UTC.', '17 2 * * *', { pattern: '^(\\S+\\s+){4}\\S+$' }),
    persistence: persistence('the dumps'),
  }),
  redis: group({
    enabled: flag('Redis in ai-agents, without a volume.', false),
    ...store('redis', 'redis:7.4.11', '`REDIS_PASSWORD`', sized('50m', '64Mi', '250m', '128Mi')),
  }),
  livekit: group({
    enabled: flag('LiveKit in ai-agents, one server.', false),
    ...store(
      'livekit',
      'livekit/livekit-server:v1.13.5',
      '`LIVEKIT_KEYS`',
      sized('250m', '256Mi', '1000m', '1Gi'),
    ),
  }),
  externalSecrets: group({
    enabled: flag(
      'The External Secrets Operator fills the Secrets of session server, migration and agents.',
      false,
    ),
    apiVersion: text('Version of its API.', 'external-secrets.io/v1', {
      pattern: '^external-secrets\\.io/v[0-9a-z]+$',
    }),
    clusterSecretStore: text('From this store.', 'greenroom', { minLength: 1 }),
  }),
  tracing: group({
    agents: flag(
      'Agents may send spans to a collector in namespace monitoring on 4318. The session server traces with key `OTEL_EXPORTER_OTLP_ENDPOINT` of its Secret: docs/tracing.md.',
      false,
    ),
  }),
  monitoring: group({
    annotations: flag(
      '`prometheus.io/*` on session servers, webhooks and agents, for a Prometheus without the operator.',
      true,
    ),
    serviceMonitor: group({
      enabled: flag('ServiceMonitors of the Prometheus Operator, with Services for the ops ports.', false),
      interval: text('How often they are scraped.', '15s', { pattern: '^[0-9]+(ms|s|m)$' }),
      labels: words('Labels by which your Prometheus finds them.'),
    }),
    podMonitor: group({
      enabled: flag('A PodMonitor of the Prometheus Operator for agents.', false),
      interval: text('How often they are scraped.', '15s', { pattern: '^[0-9]+(ms|s|m)$' }),
      labels: words('Labels by which your Prometheus finds it.'),
    }),
    rules: group({
      enabled: flag('Alerts, as a PrometheusRule.', false),
      runbooks: text(
        'What stands before the page of an alert: the address of your copy of docs/runbooks.',
        'docs/runbooks/',
        {
          minLength: 1,
        },
      ),
      labels: words('Labels by which your Prometheus finds them.'),
    }),
    dashboard: group({
      enabled: flag('A ConfigMap with dashboards of Grafana.', false),
      labels: Type.Record(Type.String({ pattern: '^.+$' }), Type.String(), {
        ...closed,
        description: 'Labels by which Grafana finds it.',
        default: { grafana_dashboard: '1' },
      }),
    }),
  }),
  certManager: group({
    enabled: flag("Certificates of the webhook from cert-manager, instead of the webhook's own.", false),
  }),
  networkPolicy: group({
    enabled: flag(
      'NetworkPolicies of both namespaces. Narrower ones, of your own making: false, and `greenroom network-policies`. Stores have theirs in any case.',
      true,
    ),
    livekit: group({
      namespace: text('Where LiveKit runs, if not in ai-agents.', 'livekit', { minLength: 1 }),
      cidrs: Type.Array(Type.String({ pattern: '^[0-9a-fA-F.:]+/[0-9]+$' }), {
        description: 'Private addresses of a LiveKit outside the cluster or with hostNetwork.',
        default: [],
      }),
    }),
    monitoringNamespace: text(
      'Where Prometheus runs, which reads session servers, webhooks and agents.',
      'monitoring',
      { minLength: 1 },
    ),
    apiServer: group({
      cidrs: Type.Array(Type.String({ pattern: '^[0-9a-fA-F.:]+/[0-9]+$' }), {
        description:
          'Addresses of the API server: agents do not reach them, and of its ports the webhook reaches no others.',
        default: [],
      }),
      ports: Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), {
        description: 'Its ports. Empty: 443, 6443, 8443 and 16443.',
        default: [],
      }),
    }),
  }),
  priorityClass: group({
    create: flag('Make the class.', true),
    name: text("Class of Greenroom's own pods in ai-agents. Empty: none.", 'greenroom'),
    value: count('Its value; agents have less.', 1_000_000, -1_000_000_000),
  }),
  nodeAffinity: Type.Array(
    group({
      key: Type.String({ minLength: 1 }),
      operator: Type.Union(
        ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'].map((name) => Type.Literal(name)),
      ),
      values: Type.Optional(Type.Array(Type.String())),
    }),
    {
      description:
        "Nodes for Greenroom's own pods in ai-agents, but for the migration. Agents: `policy.defaults.nodeAffinity`.",
      default: [],
      examples: [[{ key: 'workload-type', operator: 'In', values: ['ai-agents'] }]],
    },
  ),
  antiAffinity: group({
    enabled: flag('No two session servers, and no two webhooks, on one node.', false),
  }),
  pools: Type.Unsafe<object>({
    ...poolsPart,
    description:
      'Pools, as in ConfigMap `agent-pools` (docs/pools.md). Empty: two echo agents. Image `greenroom:…` becomes ours.',
    default: {},
  }),
  policy: Type.Unsafe<object>({
    ...policyPart,
    description:
      'Laid over the policy of manifests/base/agent-policy.yaml; lists are replaced as a whole (docs/admission.md).',
    default: {},
  }),
  quota: Type.Record(Type.String({ pattern: '^.+$' }), quantity, {
    ...closed,
    description: 'Laid over the hard limits of the ResourceQuota `ai-agents-quota`.',
    default: {},
  }),
  webhook: group({
    replicas: count('Webhooks. With three, one stays while a node drains and another is replaced.', 3),
    image: group({
      tag: tag('Another tag than that of `image`: the webhook goes first at an upgrade that needs it.'),
      digest: digest('Another digest.'),
    }),
    resources: resources('a webhook. No CPU limit, because throttling makes it late', {
      requests: { cpu: '100m', memory: '96Mi' },
      limits: { memory: '384Mi' },
    }),
  }),
  migration: group({
    enabled: flag(
      'The Job that brings the database to this version. False: you run `migrate` yourself.',
      true,
    ),
    resources: resources('the Job', sized('100m', '128Mi', '500m', '256Mi')),
  }),
  namespaces: group({
    keep: flag(
      '`helm uninstall` leaves ai-agents, with its Secrets. Always so with `postgresql.enabled`.',
      false,
    ),
  }),
  tests: group({
    enabled: flag(
      'What `helm test` needs: a component of the policy that may open and end one session.',
      true,
    ),
    agentType: text('Whose pool it opens a session in.', 'echo-agent', {
      pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
    }),
  }),
})

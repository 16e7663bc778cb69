import { isIPv4, isIPv6 } from 'node:net'
import { type Static, type TObject, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { scopes } from './domain/caller.ts'
import { describeErrors } from './domain/checked-document.ts'
import { webhookUsername } from './domain/names.ts'
import { GreenroomError } from './errors.ts'
import { samplerNames } from './tracing/trace-sampler.ts'

/** The only reader of the environment. Every problem is reported at once, with the variable's name. */

const common = {
  GREENROOM_NAMESPACE: Type.String({ minLength: 1, default: 'ai-agents' }),
  GREENROOM_LOG_LEVEL: Type.String({
    pattern: '^(fatal|error|warn|info|debug|trace|silent)$',
    default: 'info',
  }),
  /** A kubeconfig file. Without it the pod's ServiceAccount is used. */
  KUBECONFIG: Type.Optional(Type.String({ minLength: 1 })),
  /** The API server as seen from a pod; the kubelet sets both. */
  KUBERNETES_SERVICE_HOST: Type.Optional(Type.String({ minLength: 1 })),
  KUBERNETES_SERVICE_PORT: Type.Optional(Type.String({ pattern: '^[0-9]+$' })),
  /**
   * Whether spans are recorded and sent (docs/tracing.md). Unless it is set, an address of a collector says yes. The other
   * variables of the standard (OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES, …) are read by its own packages.
   */
  GREENROOM_TRACING: Type.Optional(Type.Boolean()),
  OTEL_SDK_DISABLED: Type.Optional(Type.Boolean()),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(Type.String({ pattern: '^https?://' })),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: Type.Optional(Type.String({ pattern: '^https?://' })),
  OTEL_TRACES_SAMPLER: Type.Optional(Type.Union(samplerNames.map((name) => Type.Literal(name)))),
  OTEL_TRACES_SAMPLER_ARG: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  /** Name of this replica in leases, events and logs; Kubernetes sets HOSTNAME to the pod's name. */
  HOSTNAME: Type.String({ default: 'greenroom' }),
}

const database = {
  DATABASE_URL: Type.String({ pattern: '^postgres(ql)?://' }),
}

const redis = {
  REDIS_URL: Type.String({ pattern: '^rediss?://|^/' }),
}

const stores = {
  ...database,
  ...redis,
  /** File with the private assign keys: a JWK Set, newest first (Secret greenroom-assign-key). */
  GREENROOM_ASSIGN_KEY_FILE: Type.String({ minLength: 1 }),
  GREENROOM_HMAC_SECRET: Type.String({ minLength: 32 }),
}

const apiUrl = {
  /** Address at which pods reach the session API to renew, join and finish. The agent gets it with its session. */
  GREENROOM_API_URL: Type.Optional(Type.String({ pattern: '^https?://' })),
}

const liveKit = {
  LIVEKIT_URL: Type.Optional(Type.String({ pattern: '^(wss?|https?)://' })),
  LIVEKIT_API_KEY: Type.Optional(Type.String({ minLength: 1 })),
  LIVEKIT_API_SECRET: Type.Optional(Type.String({ minLength: 1 })),
  /** LiveKit's address for callers, where it is not the one that pods and Greenroom use. */
  GREENROOM_LIVEKIT_PUBLIC_URL: Type.Optional(Type.String({ pattern: '^wss?://' })),
}

const ops = {
  /** Port of metrics and of readiness with its reasons, for operators only; one for all roles of a process. 0: a free one. */
  GREENROOM_OPS_PORT: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
}

const defaultOpsPort = 3001

const Port = (fallback: number) => Type.Integer({ minimum: 0, maximum: 65_535, default: fallback })

const scopeName = `(${scopes.join('|')})`
const scopeEntry = `[^=,]+=${scopeName}( ${scopeName})*`
const accountEntry = `[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}=[^=,\\s]{1,200}( ${scopeName})+`

const roleSchemas = {
  api: Type.Object({
    ...common,
    ...stores,
    ...apiUrl,
    ...liveKit,
    ...ops,
    GREENROOM_HOST: Type.String({ default: '0.0.0.0' }),
    GREENROOM_PORT: Port(3000),
    /**
     * Ops port of the webhook, as a name that has the address of each replica (a headless Service). Without it GET /v1/status
     * and GET /v1/admission say nothing of the webhook.
     */
    GREENROOM_WEBHOOK_OPS_URL: Type.Optional(Type.String({ pattern: '^http://[^/\\s]+$' })),
    /**
     * Whether the API may change ConfigMap agent-pools for those who may administer every project. False where the document is
     * kept elsewhere (GitOps): a change is then shown and not made.
     */
    GREENROOM_EDIT_POOLS: Type.Boolean({ default: true }),
    /** Whether /docs and /openapi.json need no API key. */
    GREENROOM_PUBLIC_DOCS: Type.Boolean({ default: false }),
    /** Whether /try is served, a page that opens sessions with an API key typed into it. */
    GREENROOM_TRY_PAGE: Type.Boolean({ default: false }),
    /**
     * Origins whose pages may call the API from a browser, separated by commas: "https://app.example". Each is compared as a
     * whole; none by default. Such a page needs a browser's token, which its backend asks for.
     */
    GREENROOM_CORS_ORIGINS: Type.String({
      pattern: '^(https?://[a-z0-9.-]+(:[0-9]{1,5})?(,https?://[a-z0-9.-]+(:[0-9]{1,5})?)*)?$',
      default: '',
    }),
    /** One or more keys, separated by commas; at least 16 characters each. */
    GREENROOM_API_KEYS: Type.String({ pattern: '^[^,\\s]{16,}(,[^,\\s]{16,})*$' }),
    /** Bearer tokens of this OpenID Connect issuer are taken, for this audience. Both or none. */
    GREENROOM_OIDC_ISSUER: Type.Optional(
      Type.String({ pattern: '^(https://|http://(127\\.0\\.0\\.1|localhost)(:|/|$))' }),
    ),
    GREENROOM_OIDC_AUDIENCE: Type.Optional(Type.String({ minLength: 1 })),
    /** Where its keys are, if its discovery document is not to be asked. */
    GREENROOM_OIDC_JWKS_URL: Type.Optional(
      Type.String({ pattern: '^(https://|http://(127\\.0\\.0\\.1|localhost)(:|/|$))' }),
    ),
    /** Which claim names the project. Without it every token of the issuer is good for every project. */
    GREENROOM_OIDC_PROJECT_CLAIM: Type.Optional(Type.String({ minLength: 1 })),
    /** Which claim grants scopes: a text with blanks, or a list. */
    GREENROOM_OIDC_SCOPES_CLAIM: Type.String({ minLength: 1, default: 'scope' }),
    /** Scopes by value of that claim: "staff=sessions:open sessions:read,ops=admin". Names of scopes stand for themselves. */
    GREENROOM_OIDC_SCOPES: Type.String({
      pattern: `^(${scopeEntry}(,${scopeEntry})*)?$`,
      default: '',
    }),
    /**
     * ServiceAccounts whose tokens with the audience "greenroom" are taken, each with its project (* for every one) and
     * scopes: "shop/frontend=checkout sessions:open sessions:end".
     */
    GREENROOM_SERVICE_ACCOUNTS: Type.String({
      pattern: `^(${accountEntry}(,${accountEntry})*)?$`,
      default: '',
    }),
    /** Whether the API server is asked about each such token as well, once a minute. */
    GREENROOM_TOKEN_REVIEW: Type.Boolean({ default: false }),
    /** Time between turning unready and closing, so that load balancers send requests elsewhere. */
    GREENROOM_DRAIN_MS: Type.Integer({ minimum: 0, maximum: 25_000, default: 5_000 }),
    /**
     * Projects with a head start in the queue of an empty pool, in seconds: "checkout=30,batch=5". An open of another
     * project that has waited longer than that still comes first.
     */
    GREENROOM_PROJECT_PRIORITIES: Type.String({
      pattern: '^([^=,\\s]+=[0-9]{1,4}(,[^=,\\s]+=[0-9]{1,4})*)?$',
      default: '',
    }),
  }),
  controller: Type.Object({
    ...common,
    ...stores,
    ...apiUrl,
    ...liveKit,
    ...ops,
    /** How long a node may be silent before the sessions on it end. Kubernetes itself evicts after 300 s by default. */
    GREENROOM_NODE_LOST_SECONDS: Type.Integer({ minimum: 1, maximum: 86_400, default: 300 }),
    /**
     * How long an old assign key must have been of no use before it leaves the public set. Ten minutes are longer than a
     * roll-out of the session server keeps a replica that was not heard of.
     */
    GREENROOM_OLD_KEY_SECONDS: Type.Integer({ minimum: 10, maximum: 604_800, default: 600 }),
    /** How long ended sessions are kept at least, and with them the meaning of their Idempotency-Keys. */
    GREENROOM_RETENTION_HOURS: Type.Integer({ minimum: 24, maximum: 87_600, default: 168 }),
    /** How long it is kept when each pod existed and for whom, which usage reports need. 400 days hold a year and a month. */
    GREENROOM_USAGE_RETENTION_DAYS: Type.Integer({ minimum: 1, maximum: 3_660, default: 400 }),
    /** How long the audit log is kept. */
    GREENROOM_AUDIT_RETENTION_DAYS: Type.Integer({ minimum: 1, maximum: 3_660, default: 400 }),
    /**
     * Networks in which webhooks of projects may be besides the internet, and without TLS: "10.1.0.0/16,fd00::/8". All other
     * addresses that are not in the internet are refused.
     */
    GREENROOM_EVENT_NETWORKS: Type.String({ default: '' }),
    /** Older name of GREENROOM_OPS_PORT, which counts if both are set. */
    GREENROOM_CONTROLLER_PORT: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
    GREENROOM_HOST: Type.String({ default: '0.0.0.0' }),
  }),
  webhook: Type.Object({
    ...common,
    GREENROOM_HOST: Type.String({ default: '0.0.0.0' }),
    GREENROOM_WEBHOOK_PORT: Port(8443),
    /** Port of /metrics, /readyz?verbose and /explain, over plain HTTP; 0 takes a free one. */
    GREENROOM_WEBHOOK_OPS_PORT: Port(3002),
    /** The webhook's own user name. Only it, and users that the policy names, may write the accepted documents. */
    GREENROOM_WEBHOOK_USER: Type.String({ minLength: 1, default: webhookUsername }),
    /**
     * Where the serving certificate comes from: the webhook makes it (`built-in`), or it reads two files that cert-manager
     * or an operator writes (`files`). The default is `files` if GREENROOM_WEBHOOK_CERT_FILE is set.
     */
    GREENROOM_WEBHOOK_CERTIFICATES: Type.Optional(
      Type.Union([Type.Literal('built-in'), Type.Literal('files')]),
    ),
    GREENROOM_WEBHOOK_CERT_FILE: Type.Optional(Type.String({ minLength: 1 })),
    GREENROOM_WEBHOOK_KEY_FILE: Type.Optional(Type.String({ minLength: 1 })),
    /** Namespace of the webhook's own Service, Secret and Lease. */
    GREENROOM_WEBHOOK_NAMESPACE: Type.String({ minLength: 1, default: 'greenroom-system' }),
    /** DNS names and IP addresses of built-in certificates in addition to the Service's, separated by commas. */
    GREENROOM_WEBHOOK_NAMES: Type.String({ pattern: '^([^,\\s]+(,[^,\\s]+)*)?$', default: '' }),
    /** Life of the built-in authority (a year), and of what it signs (thirty days; at most a third of the authority's). */
    GREENROOM_WEBHOOK_CA_SECONDS: Type.Integer({ minimum: 15, maximum: 315_360_000, default: 31_536_000 }),
    GREENROOM_WEBHOOK_LEAF_SECONDS: Type.Integer({ minimum: 5, maximum: 31_536_000, default: 2_592_000 }),
    /** How long a new authority is in the configurations before it is used, because the caches of API servers lag. */
    GREENROOM_WEBHOOK_TRUST_SECONDS: Type.Integer({ minimum: 0, maximum: 3_600, default: 30 }),
    /** Time between two looks at the certificates; at most a thirtieth of a leaf's life. */
    GREENROOM_WEBHOOK_CERTIFICATE_POLL_MS: Type.Integer({ minimum: 50, maximum: 60_000, default: 10_000 }),
    GREENROOM_WEBHOOK_TLS_MIN: Type.Union([Type.Literal('TLSv1.2'), Type.Literal('TLSv1.3')], {
      default: 'TLSv1.3',
    }),
    /** Authorities (PEM) of client certificates. With it, only callers with such a certificate get a review. */
    GREENROOM_WEBHOOK_CLIENT_CA_FILE: Type.Optional(Type.String({ minLength: 1 })),
    /** Such a certificate must have one of these names, separated by commas. */
    GREENROOM_WEBHOOK_CLIENT_NAMES: Type.String({
      pattern: '^[^,\\s]+(,[^,\\s]+)*$',
      default: 'kube-apiserver',
    }),
    /**
     * Time between turning unready and closing. The API server uses a connection until its endpoint is gone and the
     * connection is closed. Gatekeeper waits as long. Less than the pod's grace period of 30 s.
     */
    GREENROOM_DRAIN_MS: Type.Integer({ minimum: 0, maximum: 25_000, default: 10_000 }),
  }),
  migrate: Type.Object({
    ...common,
    ...database,
    /** As the role that owns the schema. Without it, DATABASE_URL's role owns it. */
    GREENROOM_MIGRATE_DATABASE_URL: Type.Optional(database.DATABASE_URL),
    /** The role that may read and write rows only; without it, the user of DATABASE_URL. */
    GREENROOM_DATABASE_ROLE: Type.Optional(Type.String({ minLength: 1, maxLength: 63 })),
  }),
  /** What is not set is not looked at, and the report says so. */
  doctor: Type.Object({
    ...common,
    ...Type.Partial(Type.Object({ ...database, ...redis })).properties,
    ...liveKit,
  }),
  pools: Type.Object({ ...common, ...database }),
  /** Commands that ask the session API; their --server and --key come first. */
  caller: Type.Object({
    ...apiUrl,
    GREENROOM_API_KEY: Type.Optional(Type.String({ minLength: 1 })),
    /** Where only it is set, "pools explain" reads PostgreSQL. */
    DATABASE_URL: Type.Optional(Type.String({ minLength: 1 })),
  }),
  explain: Type.Object(common),
  scan: Type.Object(common),
} as const satisfies Record<string, TObject>

type Role = keyof typeof roleSchemas
export const roles = Object.keys(roleSchemas) as Role[]
export type Config<R extends Role> = Static<(typeof roleSchemas)[R]>

type Environment = Readonly<Record<string, string | undefined>>

/** The configuration of one role; throws GRN_INVALID_CONFIG with every problem. Values never appear in the message. */
export function loadConfig<R extends Role>(role: R, environment: Environment = process.env): Config<R> {
  const schema = roleSchemas[role]
  const validator = Compile(schema as TObject)
  const given: Record<string, string> = {}
  for (const name of Object.keys(schema.properties)) {
    // `NAME=` in a .env file gives an empty variable, which counts as not set.
    if (environment[name]) given[name] = environment[name]
  }
  const value = validator.Default(validator.Convert(given))
  const problems = validator.Check(value) ? [] : describeErrors(validator.Errors(value))
  if (role === 'api' || role === 'controller') problems.push(...liveKitProblems(given))
  if (role === 'controller') problems.push(...networkProblems(given.GREENROOM_EVENT_NETWORKS))
  if (role === 'api')
    problems.push(...pairProblems(given, ['GREENROOM_OIDC_ISSUER', 'GREENROOM_OIDC_AUDIENCE']))
  if (role === 'webhook' && problems.length === 0)
    problems.push(...certificateProblems(value as Config<'webhook'>))
  if (problems.length > 0) {
    const list = problems.map((problem) => problem.replace(/^\//, '')).join('; ')
    throw new GreenroomError('GRN_INVALID_CONFIG', `The environment of role ${role} is not valid: ${list}.`)
  }
  return value as Config<R>
}

export function opsPort(config: {
  readonly GREENROOM_OPS_PORT?: number
  readonly GREENROOM_CONTROLLER_PORT?: number
}): number {
  return config.GREENROOM_OPS_PORT ?? config.GREENROOM_CONTROLLER_PORT ?? defaultOpsPort
}

/** Who changes the schema, and who gets the right to read and write rows; no such role where one does both. */
export function migrateAccess(config: Config<'migrate'>): {
  readonly url: string
  readonly role: string | undefined
} {
  const { DATABASE_URL, GREENROOM_MIGRATE_DATABASE_URL: owner, GREENROOM_DATABASE_ROLE: role } = config
  if (owner === undefined) return { url: DATABASE_URL, role }
  const user = URL.canParse(DATABASE_URL) ? decodeURIComponent(new URL(DATABASE_URL).username) : ''
  return { url: owner, role: role ?? (user === '' ? undefined : user) }
}

/** Where the webhook's serving certificate comes from. */
export function certificateSource(config: Config<'webhook'>): 'built-in' | 'files' {
  const { GREENROOM_WEBHOOK_CERTIFICATES: chosen, GREENROOM_WEBHOOK_CERT_FILE: file } = config
  return chosen ?? (file === undefined ? 'built-in' : 'files')
}

function certificateProblems(config: Config<'webhook'>): string[] {
  if (certificateSource(config) === 'files') {
    return (['GREENROOM_WEBHOOK_CERT_FILE', 'GREENROOM_WEBHOOK_KEY_FILE'] as const)
      .filter((name) => config[name] === undefined)
      .map((name) => `${name}: is missing, but certificates come from files`)
  }
  // An authority is renewed with a third of its life left, and what it signs must not outlive that.
  return config.GREENROOM_WEBHOOK_LEAF_SECONDS * 3 > config.GREENROOM_WEBHOOK_CA_SECONDS
    ? ['GREENROOM_WEBHOOK_LEAF_SECONDS: must be at most a third of GREENROOM_WEBHOOK_CA_SECONDS']
    : []
}

/** The networks of GREENROOM_EVENT_NETWORKS. */
export function eventNetworks(list: string): readonly string[] {
  return list
    .split(',')
    .map((network) => network.trim())
    .filter((network) => network !== '')
}

function networkProblems(list = ''): string[] {
  return eventNetworks(list)
    .filter((network) => !isNetwork(network))
    .map((network) => `GREENROOM_EVENT_NETWORKS: "${network}" is not a network such as 10.1.0.0/16`)
}

function isNetwork(network: string): boolean {
  const [address = '', prefix = '', ...more] = network.split('/')
  const longest = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1
  return more.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= longest
}

function pairProblems(given: Record<string, string>, names: readonly string[]): string[] {
  const missing = names.filter((name) => given[name] === undefined)
  return missing.length === names.length
    ? []
    : missing.map((name) => `${name}: is missing, but the other one is set`)
}

function liveKitProblems(given: Record<string, string>): string[] {
  const names = ['LIVEKIT_URL', 'LIVEKIT_API_KEY', 'LIVEKIT_API_SECRET']
  const missing = names.filter((name) => given[name] === undefined)
  return missing.length === 0 || missing.length === names.length
    ? []
    : missing.map((name) => `${name}: is missing, but other LIVEKIT_* variables are set`)
}

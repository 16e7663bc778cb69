import { type Static, type TObject, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { describeErrors } from './domain/checked-document.ts'
import { webhookUsername } from './domain/names.ts'
import { GreenroomError } from './errors.ts'

/** The only reader of the environment. Every problem is reported at once, with the variable's name. */

const common = {
  GREENROOM_NAMESPACE: Type.String({ minLength: 1, default: 'ai-agents' }),
  GREENROOM_LOG_LEVEL: Type.String({
    pattern: '^(fatal|error|warn|info|debug|trace|silent)$',
    default: 'info',
  }),
  /** A kubeconfig file; without it the pod's ServiceAccount. */
  KUBECONFIG: Type.Optional(Type.String({ minLength: 1 })),
  /** The API server as seen from a pod; the kubelet sets both. */
  KUBERNETES_SERVICE_HOST: Type.Optional(Type.String({ minLength: 1 })),
  KUBERNETES_SERVICE_PORT: Type.Optional(Type.String({ pattern: '^[0-9]+$' })),
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

const liveKit = {
  LIVEKIT_URL: Type.Optional(Type.String({ pattern: '^(wss?|https?)://' })),
  LIVEKIT_API_KEY: Type.Optional(Type.String({ minLength: 1 })),
  LIVEKIT_API_SECRET: Type.Optional(Type.String({ minLength: 1 })),
}

const Port = (fallback: number) => Type.Integer({ minimum: 0, maximum: 65_535, default: fallback })

const roleSchemas = {
  api: Type.Object({
    ...common,
    ...stores,
    ...liveKit,
    GREENROOM_HOST: Type.String({ default: '0.0.0.0' }),
    GREENROOM_PORT: Port(3000),
    /** One or more keys, separated by commas; at least 16 characters each. */
    GREENROOM_API_KEYS: Type.String({ pattern: '^[^,\\s]{16,}(,[^,\\s]{16,})*$' }),
    /** Address at which pods reach this API, to renew and finish; told to the agent with its session. */
    GREENROOM_API_URL: Type.Optional(Type.String({ pattern: '^https?://' })),
    /** Time between turning unready and closing, in which load balancers learn to send requests elsewhere. */
    GREENROOM_DRAIN_MS: Type.Integer({ minimum: 0, maximum: 25_000, default: 5_000 }),
    /**
     * Projects that go ahead in the queue of an empty pool, and by how many seconds: "checkout=30,batch=5". Others age
     * past them by waiting longer.
     */
    GREENROOM_PROJECT_PRIORITIES: Type.String({
      pattern: '^([^=,\\s]+=[0-9]{1,4}(,[^=,\\s]+=[0-9]{1,4})*)?$',
      default: '',
    }),
  }),
  controller: Type.Object({
    ...common,
    ...stores,
    ...liveKit,
    /** How long a node may be silent before the sessions on it end; Kubernetes itself evicts after 300 s by default. */
    GREENROOM_NODE_LOST_SECONDS: Type.Integer({ minimum: 1, maximum: 86_400, default: 300 }),
    /** How long ended sessions are kept, and with them what their Idempotency-Keys name. */
    GREENROOM_RETENTION_HOURS: Type.Integer({ minimum: 24, maximum: 87_600, default: 168 }),
    /** Port of the controller's own /livez, /readyz and /metrics; 0 takes a free one. */
    GREENROOM_CONTROLLER_PORT: Port(3001),
    GREENROOM_HOST: Type.String({ default: '0.0.0.0' }),
  }),
  webhook: Type.Object({
    ...common,
    GREENROOM_HOST: Type.String({ default: '0.0.0.0' }),
    GREENROOM_WEBHOOK_PORT: Port(8443),
    GREENROOM_WEBHOOK_CERT_FILE: Type.String({ minLength: 1 }),
    GREENROOM_WEBHOOK_KEY_FILE: Type.String({ minLength: 1 }),
    /** The webhook's own user name: it alone, beside the policy's, may write the accepted documents. */
    GREENROOM_WEBHOOK_USER: Type.String({ minLength: 1, default: webhookUsername }),
  }),
  migrate: Type.Object({ ...common, ...database }),
  doctor: Type.Object({ ...common, ...database, ...redis }),
} as const satisfies Record<string, TObject>

export type Role = keyof typeof roleSchemas
export const roles = Object.keys(roleSchemas) as Role[]
export type Config<R extends Role> = Static<(typeof roleSchemas)[R]>

type Environment = Readonly<Record<string, string | undefined>>

/** The configuration of one role; throws GRN_INVALID_CONFIG with every problem. Values never appear in the message. */
export function loadConfig<R extends Role>(role: R, environment: Environment = process.env): Config<R> {
  const schema = roleSchemas[role]
  const validator = Compile(schema as TObject)
  const given: Record<string, string> = {}
  for (const name of Object.keys(schema.properties)) {
    // An empty variable is what `NAME=` in a .env file gives: not set.
    if (environment[name]) given[name] = environment[name]
  }
  const value = validator.Default(validator.Convert(given))
  const problems = validator.Check(value) ? [] : describeErrors(validator.Errors(value))
  if (role === 'api' || role === 'controller') problems.push(...liveKitProblems(given))
  if (problems.length > 0) {
    const list = problems.map((problem) => problem.replace(/^\//, '')).join('; ')
    throw new GreenroomError('GRN_INVALID_CONFIG', `The environment of role ${role} is not valid: ${list}.`)
  }
  return value as Config<R>
}

function liveKitProblems(given: Record<string, string>): string[] {
  const names = ['LIVEKIT_URL', 'LIVEKIT_API_KEY', 'LIVEKIT_API_SECRET']
  const missing = names.filter((name) => given[name] === undefined)
  return missing.length === 0 || missing.length === names.length
    ? []
    : missing.map((name) => `${name}: is missing, but other LIVEKIT_* variables are set`)
}

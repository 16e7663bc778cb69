/**
 * Every error a user can meet, in one catalogue: the stable code, the HTTP status it is answered with, the title,
 * and what to do about it. `docs/errors.md` is generated from it and a test holds the two together.
 */

interface ErrorEntry {
  readonly status: number
  readonly title: string
  readonly remedy: string
}

export const errorCatalogue = {
  GRN_BAD_JSON: {
    status: 400,
    title: 'The body is not valid JSON',
    remedy: 'Send one JSON object with Content-Type: application/json.',
  },
  GRN_INVALID_REQUEST: {
    status: 400,
    title: 'The request does not match the API',
    remedy: 'Correct the named field; the schema is at /openapi.json.',
  },
  GRN_UNAUTHENTICATED: {
    status: 401,
    title: 'No valid API key was given',
    remedy: 'Send "Authorization: Bearer <key>" with one of the keys in GREENROOM_API_KEYS.',
  },
  GRN_NOT_FOUND: {
    status: 404,
    title: 'There is nothing at this address',
    remedy: 'Compare the path and method with /openapi.json.',
  },
  GRN_SESSION_NOT_FOUND: {
    status: 404,
    title: 'There is no such session',
    remedy: 'Check the id; ended sessions are kept only for the configured time.',
  },
  GRN_UNKNOWN_AGENT_TYPE: {
    status: 404,
    title: 'There is no pool of this agent type',
    remedy: 'Use a type that GET /v1/pools lists, or add it to the ConfigMap agent-pools.',
  },
  GRN_STALE_EPOCH: {
    status: 409,
    title: 'The epoch is not the current one of this session',
    remedy: 'Read the session; if the epoch there is not yours, another holder has it and you must stop.',
  },
  GRN_SESSION_OVER: {
    status: 409,
    title: 'The session has ended or is ending',
    remedy: 'Open a new session.',
  },
  GRN_BODY_TOO_LARGE: {
    status: 413,
    title: 'The body is too large',
    remedy: 'Send at most 256 KiB to the session API and 7 MiB to the webhook.',
  },
  GRN_UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: 'The content type is not supported',
    remedy: 'Send Content-Type: application/json.',
  },
  GRN_IDEMPOTENCY_MISMATCH: {
    status: 422,
    title: 'This Idempotency-Key was used with another body',
    remedy: 'Repeat the original body, or use a new key for a new session.',
  },
  GRN_NO_POD: {
    status: 422,
    title: 'There is no pod in this document',
    remedy: 'Give a Pod, a List, an AdmissionReview or a workload with a pod template, such as a Deployment.',
  },
  GRN_OVERLOADED: {
    status: 429,
    title: 'Too many reviews wait already',
    remedy: 'The API server asks again after a second; more replicas of the webhook, or more CPU, end this.',
  },
  GRN_INTERNAL: {
    status: 500,
    title: 'Something failed that should not have',
    remedy: 'Retry with the same Idempotency-Key; report the requestId if it persists.',
  },
  GRN_POOL_EMPTY: {
    status: 503,
    title: 'No warm pod was free in time',
    remedy:
      'Retry after the given time, wait longer (onEmpty "wait", waitMs), or raise min or max of the pool.',
  },
  GRN_POOL_DEGRADED: {
    status: 503,
    title: 'Too many pods of this pool failed delivery',
    remedy: 'Look at the pods of the pool and the network policy between the session server and port 8080.',
  },
  GRN_DELIVERY_FAILED: {
    status: 503,
    title: 'No pod accepted the session within the deadline',
    remedy: 'Retry with the same Idempotency-Key; look at the reasons on GET /v1/pools.',
  },
  GRN_DATABASE_UNAVAILABLE: {
    status: 503,
    title: 'PostgreSQL did not answer in time',
    remedy: 'Retry after the given time with the same Idempotency-Key.',
  },
  GRN_REDIS_UNAVAILABLE: {
    status: 503,
    title: 'Redis did not answer in time',
    remedy: 'Look at Redis and the network to it; claims go on without it meanwhile.',
  },
  GRN_KUBERNETES_UNAVAILABLE: {
    status: 503,
    title: 'The Kubernetes API did not answer in time',
    remedy: 'Look at the API server, and at the kubeconfig or ServiceAccount this process uses.',
  },
  GRN_NOT_READY: {
    status: 503,
    title: 'This replica is not ready',
    remedy: 'Retry; GET /readyz?verbose says what it waits for.',
  },
  GRN_SHUTTING_DOWN: {
    status: 503,
    title: 'This replica is shutting down',
    remedy: 'Retry with the same Idempotency-Key; another replica answers.',
  },
  GRN_INVALID_CONFIG: {
    status: 500,
    title: 'The configuration is not valid',
    remedy: 'Correct every named variable and start again.',
  },
  GRN_SCHEMA_OUTDATED: {
    status: 500,
    title: 'The database schema is not the one this version needs',
    remedy: 'Run "npm run migrate" (in the image: node src/main.ts migrate) first.',
  },
  GRN_INVALID_POOLS: {
    status: 422,
    title: 'ConfigMap agent-pools is not valid; what was in force stays',
    remedy: 'Correct the named path in pools.yaml.',
  },
  GRN_INVALID_POLICY: {
    status: 422,
    title: 'ConfigMap agent-policy is not valid; what was in force stays',
    remedy: 'Correct the named path in policy.yaml.',
  },
  GRN_BAD_REVIEW: {
    status: 400,
    title: 'This is not an AdmissionReview of admission.k8s.io/v1',
    remedy: 'Only the Kubernetes API server should call this address.',
  },
  GRN_CALLER_UNKNOWN: {
    status: 403,
    title: 'Reviews are answered for the API server alone',
    remedy:
      'Call with a client certificate of GREENROOM_WEBHOOK_CLIENT_CA_FILE whose name is in GREENROOM_WEBHOOK_CLIENT_NAMES.',
  },
  GRN_AGENT_TYPE_UNKNOWN: {
    status: 403,
    title: 'The label agent-type names no row of the policy',
    remedy: 'Use a type that policy.yaml has a row for, or add one.',
  },
  GRN_LABEL_OWNERSHIP: {
    status: 403,
    title: 'Labels and annotations of greenroom.dev and the label session belong to Greenroom',
    remedy: 'Leave them out; Greenroom sets them itself.',
  },
  GRN_DOCUMENT_OWNERSHIP: {
    status: 403,
    title: 'The accepted documents belong to Greenroom',
    remedy: 'Edit agent-pools or agent-policy; Greenroom keeps what it accepted.',
  },
  GRN_NAMESPACE_OWNERSHIP: {
    status: 403,
    title: 'The namespace label greenroom.dev/agents is changed by its owners only',
    remedy: 'Ask one of namespaceOwners in policy.yaml; docs/break-glass.md has the way out.',
  },
  GRN_POLICY_VIOLATION: {
    status: 403,
    title: 'The pod does not meet the policy and cannot be made to',
    remedy: 'Change what the message names.',
  },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorCatalogue

interface GreenroomErrorOptions {
  readonly cause?: unknown
  /** When a retry is worthwhile, in milliseconds; answered as Retry-After (whole seconds, rounded up). */
  readonly retryAfterMs?: number
}

/** An error with a stable code. `message` is the sentence for this case; title and remedy come from the catalogue. */
export class GreenroomError extends Error {
  readonly code: ErrorCode
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message?: string, options: GreenroomErrorOptions = {}) {
    super(message ?? errorCatalogue[code].title, { cause: options.cause })
    this.name = 'GreenroomError'
    this.code = code
    this.retryAfterMs = options.retryAfterMs
  }

  get status(): number {
    return errorCatalogue[this.code].status
  }

  get remedy(): string {
    return errorCatalogue[this.code].remedy
  }
}

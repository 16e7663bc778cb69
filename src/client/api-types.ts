/** Generated from the OpenAPI document by `node src/cli/client-types.ts`. */

export interface Participant {
  readonly identity: string
  readonly name?: string | undefined
}

export interface OpenRequest {
  readonly agentType: string
  readonly projectId?: string | undefined
  /** Your alias for the room. */
  readonly roomName?: string | undefined
  readonly participant?: Participant | undefined
  /** Handed to the agent and kept. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /** Handed to the agent in this request, kept nowhere. */
  readonly secrets?: Readonly<Record<string, string>> | undefined
  readonly leaseSeconds?: number | undefined
  /** The answer then has a token for the browser of your user, good for this session alone. */
  readonly browserToken?: boolean | undefined
  readonly onEmpty?: 'wait' | 'cold' | 'fail' | undefined
  readonly waitMs?: number | undefined
}

export interface SessionPod {
  readonly name: string
  readonly uid: string
  readonly ip: string
}

export interface Lease {
  /** RFC 3339, UTC. */
  readonly expiresAt: string
  readonly renewAfterMs: number
  /** Whose renewals extend the lease. */
  readonly heldBy: 'caller' | 'agent' | 'both'
}

export interface LiveKitAccess {
  readonly url: string
  readonly room: string
  readonly token: string
  readonly expiresAt: string
}

export interface BrowserToken {
  /** grb_…; the bearer of requests for this session. */
  readonly token: string
  /** RFC 3339, UTC. */
  readonly expiresAt: string
}

export interface SessionView {
  readonly id: string
  readonly status: 'PENDING' | 'ACTIVE' | 'ENDING' | 'ENDED'
  readonly endReason?: string | undefined
  readonly agentType: string
  readonly projectId?: string | undefined
  readonly roomName: string
  readonly epoch: number
  readonly pod?: SessionPod | undefined
  readonly lease: Lease
  readonly livekit?: LiveKitAccess | undefined
  readonly browserToken?: BrowserToken | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /** RFC 3339, UTC. */
  readonly createdAt: string
  /** When the pod was claimed that has acknowledged the session since. RFC 3339, UTC. */
  readonly activeAt?: string | undefined
  /** RFC 3339, UTC. */
  readonly endedAt?: string | undefined
  /** The agent was in its LiveKit room. RFC 3339, UTC. */
  readonly agentJoinedAt?: string | undefined
  /** The agent had not joined by then, and its pool marks this only. RFC 3339, UTC. */
  readonly agentOverdueAt?: string | undefined
  /** Somebody else was seen in the room for the first time. RFC 3339, UTC. */
  readonly participantJoinedAt?: string | undefined
  /** Why the agent finished, in its own words. */
  readonly endDetail?: string | undefined
}

export interface BatchResult {
  /** What a single open would be answered with. */
  readonly status: number
  readonly session?: SessionView | undefined
  readonly problem?: Problem | undefined
}

export interface BatchView {
  /** How many of the results have a session. */
  readonly opened: number
  /** In the order of the request: a session, or why there is none. */
  readonly results: readonly BatchResult[]
}

export interface ListQuery {
  readonly status?: 'PENDING' | 'ACTIVE' | 'ENDING' | 'ENDED' | undefined
  readonly projectId?: string | undefined
  readonly agentType?: string | undefined
  readonly search?: string | undefined
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
  readonly fields?: 'metadata' | undefined
}

export interface SessionList {
  readonly sessions: readonly SessionView[]
  /** There are more. A page may be shorter than its limit: only this tells. */
  readonly nextCursor?: string | undefined
}

export interface PoolProblem {
  readonly cause:
    | 'quota'
    | 'limit-range'
    | 'webhook'
    | 'api'
    | 'forbidden'
    | 'denied'
    | 'invalid'
    | 'image'
    | 'config'
    | 'crash'
    | 'node'
    | 'unschedulable'
    | 'deadline'
    | 'canary'
    | 'unready'
  /** In the words of the API server or the kubelet. */
  readonly message: string
  /** Refused tries, or failed pods, since then. */
  readonly count: number
  readonly since: string
  readonly lastAt: string
  readonly nextTryAt?: string | undefined
  readonly remedy: string
}

export interface ThinReport {
  readonly thin: number
  readonly growing: number
  readonly full: number
  readonly deferred: number
  readonly infeasible: number
}

export interface SizingTerms {
  readonly rule: 'fixed' | 'buffer' | 'hitRate'
  /** The wanted hit rate. */
  readonly goal?: number | undefined
  /** Sessions asked for, as estimated now. */
  readonly claimsPerSecond: number
  /** Variance over mean of the claims within one lead time: 1 is evenly random, more is bursty. */
  readonly dispersion: number
  /** Mean time from the creation of a pod until it is Ready. */
  readonly leadMeanSeconds: number
  readonly leadP99Seconds: number
  /** Replacements under way on average: rate x mean lead time. */
  readonly inFlight: number
  /** What the rule alone asks for. */
  readonly quantile: number
  /** What this time of day needed on earlier days. Raises the target only. */
  readonly season: number
  /** Added to it, or taken away, so that the claims of the past would have met the goal. */
  readonly feedback: number
  /** What the windows of `schedule` ask for; 0 outside of them. */
  readonly schedule: number
  /** The window that asks for it. */
  readonly window?: string | undefined
  /** Highest of quantile and season in the last two minutes. */
  readonly hold: number
  readonly maxIdle?: number | undefined
  /** What the budget of idle pod-hours allows now. */
  readonly budget?: number | undefined
  readonly min: number
  /** What max or the quota leave for idle pods beside the claimed ones. */
  readonly room: number
  readonly boundBy?:
    | 'min'
    | 'season'
    | 'schedule'
    | 'hold'
    | 'maxIdle'
    | 'budget'
    | 'max'
    | 'quota'
    | 'failing'
    | 'slowStarts'
    | undefined
  /** Idle pods that the pool keeps, Ready or starting. */
  readonly target: number
}

export interface PoolSizing {
  readonly mode: 'apply' | 'recommend'
  readonly target: number
  readonly recommended?: number | undefined
  readonly terms: SizingTerms
  readonly sentence: string
}

export interface PoolReport {
  readonly agentType: string
  readonly desired: {
    readonly min: number
    readonly max: number
  }
  readonly ready: number
  readonly warming: number
  readonly claimed: number
  readonly draining: number
  readonly failed: number
  readonly waiting: number
  readonly hitRate?: number | undefined
  readonly boundBy?: string | undefined
  readonly message?: string | undefined
  readonly problem?: PoolProblem | undefined
  readonly sizing?: PoolSizing | undefined
  readonly quotaPods?: number | undefined
  readonly yielded?: number | undefined
  readonly thin?: ThinReport | undefined
  readonly configuration: {
    readonly seen?: string | undefined
    readonly applied?: string | undefined
    readonly problems?: readonly string[] | undefined
  }
}

export interface PoolList {
  readonly pools: readonly PoolReport[]
}

export interface EventsQuery {
  readonly after?: string | undefined
  readonly projectId?: string | undefined
  readonly agentType?: string | undefined
  readonly types?: string | undefined
}

export interface SessionEvent {
  /** A whole number. Later events have higher ones; some are left out. */
  readonly id: string
  /** RFC 3339, UTC. */
  readonly at: string
  readonly type:
    | 'session.pending'
    | 'session.active'
    | 'session.ending'
    | 'session.ended'
    | 'session.agent-joined'
    | 'session.agent-overdue'
    | 'session.participant-joined'
  readonly projectId?: string | undefined
  readonly agentType: string
  readonly sessionId: string
  readonly status: 'PENDING' | 'ACTIVE' | 'ENDING' | 'ENDED'
  readonly epoch: number
  readonly podUid?: string | undefined
  readonly endReason?: string | undefined
  /** The trace of the open that the session came from (W3C Trace Context). */
  readonly traceparent?: string | undefined
}

export interface PoolEmptyEvent {
  /** A whole number. Later events have higher ones; some are left out. */
  readonly id: string
  /** RFC 3339, UTC. */
  readonly at: string
  readonly agentType: string
  readonly type: 'pool.empty'
  /** Opens that wait for a pod. */
  readonly waiting: number
}

export interface PoolDegradedEvent {
  /** A whole number. Later events have higher ones; some are left out. */
  readonly id: string
  /** RFC 3339, UTC. */
  readonly at: string
  readonly agentType: string
  readonly type: 'pool.degraded'
  readonly problem: PoolProblem
}

export interface PoolRecoveredEvent {
  /** A whole number. Later events have higher ones; some are left out. */
  readonly id: string
  /** RFC 3339, UTC. */
  readonly at: string
  readonly agentType: string
  readonly type: 'pool.recovered'
}

export interface PoolConfigEvent {
  /** A whole number. Later events have higher ones; some are left out. */
  readonly id: string
  /** RFC 3339, UTC. */
  readonly at: string
  readonly type: 'pool.config'
  readonly outcome: 'accepted' | 'refused'
  /** resourceVersion of the ConfigMap agent-pools. */
  readonly version: string
  /** Why it was refused. */
  readonly problems?: readonly string[] | undefined
}

export interface WebhookDisabledEvent {
  /** A whole number. Later events have higher ones; some are left out. */
  readonly id: string
  /** RFC 3339, UTC. */
  readonly at: string
  readonly type: 'webhook.disabled'
  readonly projectId?: string | undefined
  readonly webhookId: string
  readonly reason: string
}

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly instance: string
  /** GRN_*, stable. */
  readonly code: string
  readonly requestId: string
  /** What to do about it; the end of `detail` as well. */
  readonly remedy: string
  readonly retryAfterMs?: number | undefined
}

/** What happened. A newer server may know more types. */
export type GreenroomEvent =
  | SessionEvent
  | PoolEmptyEvent
  | PoolDegradedEvent
  | PoolRecoveredEvent
  | PoolConfigEvent
  | WebhookDisabledEvent

export type EventType = GreenroomEvent['type']

/** The codes of docs/errors.md. A newer server may know more. */
export type ErrorCode =
  | 'GRN_BAD_JSON'
  | 'GRN_LOSSY_JSON'
  | 'GRN_INVALID_REQUEST'
  | 'GRN_UNAUTHENTICATED'
  | 'GRN_WEBHOOK_UNSIGNED'
  | 'GRN_FORBIDDEN'
  | 'GRN_KEY_NOT_FOUND'
  | 'GRN_KEY_REVOKED'
  | 'GRN_NOT_FOUND'
  | 'GRN_SESSION_NOT_FOUND'
  | 'GRN_UNKNOWN_AGENT_TYPE'
  | 'GRN_EVENT_ID'
  | 'GRN_WEBHOOK_NOT_FOUND'
  | 'GRN_METHOD_NOT_ALLOWED'
  | 'GRN_NOT_ACCEPTABLE'
  | 'GRN_WEBHOOKS_FULL'
  | 'GRN_HEADERS_TOO_LARGE'
  | 'GRN_STALE_EPOCH'
  | 'GRN_SESSION_OVER'
  | 'GRN_ROLLOUT_UNKNOWN'
  | 'GRN_NOTHING_TO_UNDO'
  | 'GRN_POOLS_READ_ONLY'
  | 'GRN_POOLS_BY_HAND'
  | 'GRN_POD_NOT_POOLED'
  | 'GRN_POD_IN_USE'
  | 'GRN_KEY_USED_UP'
  | 'GRN_BODY_TOO_LARGE'
  | 'GRN_UNSUPPORTED_MEDIA_TYPE'
  | 'GRN_IDEMPOTENCY_MISMATCH'
  | 'GRN_NO_POD'
  | 'GRN_BODY_TOO_SLOW'
  | 'GRN_OVERLOADED'
  | 'GRN_PROJECT_LIMIT'
  | 'GRN_RATE_LIMITED'
  | 'GRN_LISTS_BUSY'
  | 'GRN_STREAMS_FULL'
  | 'GRN_USAGE_WINDOW'
  | 'GRN_USAGE_NOT_KEPT'
  | 'GRN_USAGE_TOO_LARGE'
  | 'GRN_INTERNAL'
  | 'GRN_POOL_EMPTY'
  | 'GRN_POOL_DEGRADED'
  | 'GRN_DELIVERY_FAILED'
  | 'GRN_SERVER_BUSY'
  | 'GRN_DATABASE_UNAVAILABLE'
  | 'GRN_ISSUER_UNAVAILABLE'
  | 'GRN_REDIS_UNAVAILABLE'
  | 'GRN_KUBERNETES_UNAVAILABLE'
  | 'GRN_LIVEKIT_UNAVAILABLE'
  | 'GRN_WEBHOOK_UNAVAILABLE'
  | 'GRN_CERTIFICATE_ENDS'
  | 'GRN_NO_LEADER'
  | 'GRN_INVARIANT_BROKEN'
  | 'GRN_ABSENCE_FROZEN'
  | 'GRN_ADMISSION_DRIFT'
  | 'GRN_OLD_ASSIGN_KEYS'
  | 'GRN_NOT_READY'
  | 'GRN_SHUTTING_DOWN'
  | 'GRN_POOL_POD_FOREIGN'
  | 'GRN_POOL_POD_CHANGED'
  | 'GRN_INVALID_CONFIG'
  | 'GRN_SCHEMA_OUTDATED'
  | 'GRN_DATABASE_POOLED'
  | 'GRN_INVALID_TRACE'
  | 'GRN_INVALID_POOLS'
  | 'GRN_INVALID_POLICY'
  | 'GRN_BAD_REVIEW'
  | 'GRN_CALLER_UNKNOWN'
  | 'GRN_AGENT_TYPE_UNKNOWN'
  | 'GRN_LABEL_OWNERSHIP'
  | 'GRN_POD_OWNERSHIP'
  | 'GRN_DOCUMENT_OWNERSHIP'
  | 'GRN_NAMESPACE_OWNERSHIP'
  | 'GRN_POLICY_VIOLATION'
  | 'GRN_NOT_OPENED_HERE'
  | 'GRN_AGENT_NOT_IN_ROOM'
  | 'GRN_AGENT_SILENT'
  | 'GRN_PACKAGE_MISSING'
  | 'GRN_WRONG_ARGUMENTS'
  | 'GRN_SERVER_NOT_FOUND'
  | 'GRN_POD_NOT_FOUND'
  | 'GRN_NOTHING_RECORDED'
  | 'GRN_DOCUMENT_CHANGED'
  | 'GRN_DOCUMENT_REFUSED'
  | 'GRN_CLUSTER_FORBIDDEN'

/**
 * The part of the agent contract that needs no schema library. The agent SDK imports this file instead of
 * `assignment.ts`: typebox costs 170–280 ms at import, and refill waits for an agent's start.
 */

export const assignPath = '/assign'
export const endPath = '/end'
export const confirmPath = '/confirm'

/** Life of the bearer token of a delivery, seconds. It has no `nbf`, because a pod's clock may be behind. */
export const assignTokenTtlSeconds = 300
export const assignAlgorithm = 'EdDSA'

/**
 * Claims of the bearer token besides the registered ones: `aud` = pod UID, `sub` = session id, `exp`.
 * `bodyHash` is base64url(SHA-256(request body as sent)).
 */
export interface AssignClaims {
  readonly sub: string
  readonly aud: string
  readonly epoch: number
  readonly bodyHash: string
  readonly exp: number
}

/**
 * The bodies of the contract as types. `assignment.ts` has their schemas, and its test holds the two together. They stand
 * here so that the declarations of the npm package need no schema library.
 */

export interface LiveKitAccess {
  url: string
  room: string
  token: string
  /** RFC 3339 UTC. */
  expiresAt: string
}

/** Body of POST /assign. */
export interface Assignment {
  sessionId: string
  epoch: number
  podUid: string
  agentType: string
  room: string
  /** Room-scoped access of the agent; absent when LiveKit is not configured. */
  livekit?: LiveKitAccess
  metadata?: Record<string, unknown>
  /** Just-in-time secrets. They exist only in this request and in the agent's memory. */
  secrets?: Record<string, string>
  /** Bearer with which the agent renews and finishes this session, bound to this epoch. */
  sessionToken: string
  /** Address at which to renew and finish; absent when pods cannot reach the session server. */
  apiUrl?: string
  leaseMs: number
}

/** Answer 200 to POST /assign: the echo that proves which pod took which session. */
export interface AssignmentEcho {
  podUid: string
  sessionId: string
  epoch: number
  /** The agent answers POST /confirm, so the session server need not write down first that it took the session. */
  confirms?: boolean
}

/** Body of POST /confirm: does this pod serve this session? It never assigns. */
export interface ConfirmQuestion {
  sessionId: string
  epoch: number
  /** The last question: a pod that has no session answers no, and takes none from then on. */
  seal: boolean
}

/** Body of POST /end. */
export interface EndOrder {
  sessionId: string
  epoch: number
  reason: string
}

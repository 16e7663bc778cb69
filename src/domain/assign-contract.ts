/**
 * The part of the agent contract that needs no schema library. The agent SDK imports this file and takes only types
 * from `assignment.ts`: typebox costs 170–280 ms at import, and refill waits for an agent's start.
 */

export const assignPath = '/assign'
export const endPath = '/end'

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

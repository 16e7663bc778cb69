import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto'
import { type AssignClaims, assignAlgorithm } from '../domain/assign-contract.ts'
import { readPublicKeySet } from '../domain/assign-key-set.ts'
import { AgentError } from './agent-error.ts'

/**
 * Checks the bearer token of /assign and /end against this pod and the very bytes of the body.
 *
 * The JWT is read by hand, as `delivery/assign-token.ts` makes it by hand: one algorithm and four claims need no library.
 * jose cost every start 20 ms and the npm package a dependency.
 */
export type AssignVerifier = (authorization: string | undefined, rawBody: Buffer) => AssignClaims

/**
 * @param jwks JWK Set of public Ed25519 keys, as text.
 * @throws Error for a set that is unusable. It never quotes the text, because somebody may have put a private key there.
 */
export function createAssignVerifier(jwks: string, podUid: string): AssignVerifier {
  const keys = importKeys(jwks)
  return (authorization, rawBody) => {
    const claims = verifyToken(authorization, keys, podUid)
    // Only the holder of the key comes this far, so a comparison that takes varying time tells an attacker nothing.
    if (claims.bodyHash !== hash('sha256', rawBody, 'base64url'))
      throw refuse('the body is not the one signed')
    return claims
  }
}

function importKeys(jwks: string): ReadonlyMap<string, KeyObject> {
  const reading = readPublicKeySet(jwks)
  if (!reading.ok) throw new Error(`assign keys: ${reading.problem}`)
  return new Map(
    reading.keys.map(({ kty, crv, kid, x }) => [
      kid,
      createPublicKey({ key: { kty, crv, x }, format: 'jwk' }),
    ]),
  )
}

function verifyToken(
  authorization: string | undefined,
  keys: ReadonlyMap<string, KeyObject>,
  podUid: string,
): AssignClaims {
  const [, header, payload, signature] =
    /^Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/i.exec(authorization ?? '') ?? []
  if (!header || !payload || !signature) throw refuse('no bearer token')
  const { alg, kid, crit } = readPart(header)
  if (alg !== assignAlgorithm) throw refuse(`the algorithm is not ${assignAlgorithm}`)
  // RFC 7515: a token whose critical extensions the reader does not know is refused. This reader knows none.
  if (crit !== undefined) throw refuse('the token has critical extensions')
  const key = typeof kid === 'string' ? keys.get(kid) : undefined
  if (!key) throw refuse('the key id is not one this pod knows')
  const signed = Buffer.from(`${header}.${payload}`)
  if (!verify(null, signed, key, Buffer.from(signature, 'base64url')))
    throw refuse('the signature is not valid')
  return checkClaims(readPart(payload), podUid)
}

function checkClaims(claims: Readonly<Record<string, unknown>>, podUid: string): AssignClaims {
  const { aud, sub, epoch, bodyHash, exp, nbf } = claims
  const nowSeconds = Date.now() / 1_000
  if (aud !== podUid && !(Array.isArray(aud) && aud.includes(podUid)))
    throw refuse('the audience is not this pod')
  if (typeof exp !== 'number') throw refuse('the token does not say when it expires')
  if (exp <= nowSeconds) throw refuse('the token has expired')
  // Greenroom sets no `nbf`, but a token that says when it begins is not valid before.
  if (nbf !== undefined && !(typeof nbf === 'number' && nbf <= nowSeconds))
    throw refuse('the token is not valid yet')
  if (typeof sub !== 'string' || typeof epoch !== 'number' || typeof bodyHash !== 'string')
    throw refuse('the token lacks a claim')
  return { aud: podUid, sub, epoch, bodyHash, exp }
}

/** The object in one part of the token. No message quotes it. */
function readPart(part: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>
  } catch {
    // Falls through to the refusal.
  }
  throw refuse('the token is not a JWT')
}

function refuse(detail: string): AgentError {
  return new AgentError('AGENT_UNAUTHENTICATED', detail)
}

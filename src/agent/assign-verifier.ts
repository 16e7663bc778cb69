import { hash } from 'node:crypto'
import { jwtVerify } from 'jose/jwt/verify'
import { importJWK } from 'jose/key/import'
import { type AssignClaims, assignAlgorithm } from '../domain/assign-contract.ts'
import { readPublicKeySet } from '../domain/assign-key-set.ts'
import { AgentError } from './agent-error.ts'

// Sub-paths of jose: the whole of it costs 75–130 ms at import, these two 20 ms.

type VerifyKey = Awaited<ReturnType<typeof importJWK>>

/** Checks the bearer token of /assign and /end against this pod and the very bytes of the body. */
export type AssignVerifier = (authorization: string | undefined, rawBody: Buffer) => Promise<AssignClaims>

/**
 * @param jwks JWK Set of public Ed25519 keys, as text.
 * @throws Error for a set that is unusable. It never quotes the text, because somebody may have put a private key there.
 */
export async function createAssignVerifier(jwks: string, podUid: string): Promise<AssignVerifier> {
  const keys = await importKeys(jwks)
  return async (authorization, rawBody) => {
    const claims = await verifyToken(authorization, keys, podUid)
    // Only the holder of the key comes this far, so a comparison that takes varying time tells an attacker nothing.
    if (claims.bodyHash !== hash('sha256', rawBody, 'base64url'))
      throw refuse('the body is not the one signed')
    return claims
  }
}

async function importKeys(jwks: string): Promise<ReadonlyMap<string, VerifyKey>> {
  const reading = readPublicKeySet(jwks)
  if (!reading.ok) throw new Error(`assign keys: ${reading.problem}`)
  const keys = new Map<string, VerifyKey>()
  for (const { kty, crv, kid, x } of reading.keys)
    keys.set(kid, await importJWK({ kty, crv, x }, assignAlgorithm))
  return keys
}

async function verifyToken(
  authorization: string | undefined,
  keys: ReadonlyMap<string, VerifyKey>,
  podUid: string,
): Promise<AssignClaims> {
  const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? '')?.[1]
  if (!token) throw refuse('no bearer token')
  try {
    const { payload } = await jwtVerify(token, keyOf(keys), {
      algorithms: [assignAlgorithm],
      audience: podUid,
      requiredClaims: ['exp', 'sub', 'epoch', 'bodyHash'],
    })
    return payload as unknown as AssignClaims
  } catch (error) {
    // jose's messages name the claim that failed, never its value or the token.
    throw refuse(error instanceof Error ? error.message : 'not valid')
  }
}

function keyOf(keys: ReadonlyMap<string, VerifyKey>) {
  return ({ kid }: { kid?: string }): VerifyKey => {
    const key = keys.get(kid ?? '')
    if (!key) throw new Error('the key id is not one this pod knows')
    return key
  }
}

function refuse(detail: string): AgentError {
  return new AgentError('AGENT_UNAUTHENTICATED', detail)
}

import { hash } from 'node:crypto'
import { jwtVerify } from 'jose/jwt/verify'
import { importJWK } from 'jose/key/import'
import { type AssignClaims, assignAlgorithm } from '../domain/assign-contract.ts'
import { AgentError } from './agent-error.ts'

// Sub-paths of jose: the whole of it costs 75–130 ms at import, these two 20 ms.

type VerifyKey = Awaited<ReturnType<typeof importJWK>>

/** Checks the bearer token of /assign and /end against this pod and the very bytes of the body. */
export type AssignVerifier = (authorization: string | undefined, rawBody: Buffer) => Promise<AssignClaims>

/**
 * @param jwks JWK Set of public Ed25519 keys, as text.
 * @throws Error without quoting the text, should somebody have put a private key there.
 */
export async function createAssignVerifier(jwks: string, podUid: string): Promise<AssignVerifier> {
  const keys = await importKeys(jwks)
  return async (authorization, rawBody) => {
    const claims = await verifyToken(authorization, keys, podUid)
    // The signature is sound, so a plain comparison tells an attacker nothing.
    if (claims.bodyHash !== hash('sha256', rawBody, 'base64url'))
      throw refuse('the body is not the one signed')
    return claims
  }
}

async function importKeys(jwks: string): Promise<ReadonlyMap<string, VerifyKey>> {
  const keys = new Map<string, VerifyKey>()
  for (const { kty, crv, kid, x, d } of parseKeys(jwks)) {
    if (d !== undefined) throw new Error('assign keys: the public set holds a private key')
    if (kty !== 'OKP' || crv !== 'Ed25519' || !kid || !x)
      throw new Error('assign keys: not an Ed25519 key with kid')
    keys.set(kid, await importJWK({ kty, crv, x }, assignAlgorithm))
  }
  if (keys.size === 0) throw new Error('assign keys: the set is empty')
  return keys
}

function parseKeys(jwks: string): readonly Record<string, string>[] {
  let keys: unknown
  try {
    keys = (JSON.parse(jwks) as { keys?: unknown } | null)?.keys
  } catch {
    throw new Error('assign keys: not valid JSON')
  }
  if (!Array.isArray(keys)) throw new Error('assign keys: not a JWK Set')
  return keys as readonly Record<string, string>[]
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

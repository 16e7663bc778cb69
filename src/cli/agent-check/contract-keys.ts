import { createHmac, generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto'
import { type AssignClaims, assignAlgorithm, assignTokenTtlSeconds } from '../../domain/assign-contract.ts'

/** Keys of one run, and tokens that are right or wrong in one place. */

export interface ContractKey {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicJwk: Readonly<Record<string, unknown>>
}

export function newContractKey(kid: string): ContractKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    kid,
    privateKey,
    publicJwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: assignAlgorithm, use: 'sig' },
  }
}

export interface TokenParts {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
}

/** What the session server would put into the token of this body. It has neither `nbf` nor `iat`. */
export function tokenParts(kid: string, podUid: string, body: string | Buffer): TokenParts {
  const { sessionId, epoch } = subjectOf(body)
  const claims: AssignClaims = {
    epoch,
    bodyHash: hash('sha256', body, 'base64url'),
    aud: podUid,
    sub: sessionId,
    exp: Math.floor(Date.now() / 1_000) + assignTokenTtlSeconds,
  }
  return { header: { alg: assignAlgorithm, kid }, claims: { ...claims } }
}

/** Broken bodies are signed too: the session server signs bytes. */
function subjectOf(body: string | Buffer): { sessionId: string; epoch: number } {
  try {
    const { sessionId, epoch } = JSON.parse(body.toString()) as { sessionId?: unknown; epoch?: unknown }
    return {
      sessionId: typeof sessionId === 'string' ? sessionId : 'none',
      epoch: typeof epoch === 'number' ? epoch : 1,
    }
  } catch {
    return { sessionId: 'none', epoch: 1 }
  }
}

export function signedToken(parts: TokenParts, privateKey: KeyObject): string {
  const signed = unsigned(parts)
  return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`
}

/** HMAC: whoever knows the secret can make such a token, and a public key is known to all. */
export function hmacToken(parts: TokenParts, secret: string | Buffer): string {
  const signed = unsigned({ ...parts, header: { ...parts.header, alg: 'HS256' } })
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

export function unsignedToken(parts: TokenParts): string {
  return `${unsigned({ ...parts, header: { ...parts.header, alg: 'none' } })}.`
}

function unsigned({ header, claims }: TokenParts): string {
  return `${encode(header)}.${encode(claims)}`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

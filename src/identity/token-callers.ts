import { hash } from 'node:crypto'
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Caller } from '../domain/caller.ts'
import { createExpiringMemory } from '../timing/expiring-memory.ts'
import type { KeySet } from './key-set.ts'

interface TokenCallersDeps {
  readonly keySet: Pick<KeySet, 'issuer' | 'find'>
  readonly audience: string
  /** Who holds a genuine token; throws GRN_FORBIDDEN for one that is good for nothing here. */
  readonly callerOf: (claims: JWTPayload) => Caller
  /** Asked each time a token is verified; undefined: a genuine token is good until its end. */
  readonly isRevoked?: (token: string) => Promise<boolean>
  /** Epoch ms. */
  readonly clock: () => number
}

interface Verified {
  readonly caller: Caller
  /** Epoch ms. */
  readonly until: number
}

/** Signatures only. `none` and the algorithms with a shared secret are not among them. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]
const clockToleranceSeconds = 30
/** A token that was verified is not verified again for this long: its signature costs 0.1 ms, its hash some µs. */
export const verifiedKeptMs = 60_000
/** Some 5 MB. Only genuine tokens are kept, so nobody else can fill it. */
const mostVerified = 10_000

/** Bearer tokens of an issuer: JWTs that its keys have signed for this audience. Resolves with undefined for any other. */
export function createTokenCallers({ keySet, audience, callerOf, isRevoked, clock }: TokenCallersDeps) {
  const verified = createExpiringMemory<string, Verified>({ keptMs: verifiedKeptMs, now: clock })

  async function verify(token: string, key: string): Promise<Caller | undefined> {
    try {
      const issuer = await keySet.issuer()
      const wanted = { issuer, audience, algorithms, requiredClaims: ['exp', 'sub'] }
      const { payload } = await jwtVerify(token, keySet.find, {
        ...wanted,
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(clock()),
      })
      const caller = callerOf(payload)
      if (await isRevoked?.(token)) return undefined
      if (verified.size() >= mostVerified) verified.clear()
      verified.set(key, { caller, until: ((payload.exp ?? 0) + clockToleranceSeconds) * 1_000 })
      return caller
    } catch (error) {
      // Not genuine, not now or not for us; which of them is nobody's business.
      if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
      throw error
    }
  }

  return function identify(token: string): Caller | Promise<Caller | undefined> {
    const key = hash('sha256', token, 'base64url')
    const known = verified.get(key)
    return known && clock() < known.until ? known.caller : verify(token, key)
  }
}

/** The issuer that a JWT claims to come from, which proves nothing; undefined for a text that is no JWT. */
export function claimedIssuer(token: string): string | undefined {
  return claimsOf(token)?.iss
}

/** Whether a JWT claims to be a ServiceAccount's. */
export function claimsServiceAccount(token: string): boolean {
  return claimsOf(token)?.sub?.startsWith('system:serviceaccount:') === true
}

function claimsOf(token: string): JWTPayload | undefined {
  try {
    return decodeJwt(token)
  } catch {
    // No JWT.
    return undefined
  }
}

import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { assignAlgorithm } from '../domain/assign-contract.ts'
import { type PrivateAssignJwk, readPrivateKeySet } from '../domain/assign-key-set.ts'
import { GreenroomError } from '../errors.ts'

export interface SigningKey {
  readonly kid: string
  readonly key: KeyObject
  /** Protected header of every token signed with this key, encoded. */
  readonly header: string
}

export interface SigningKeys {
  /** Key ids, newest first. */
  readonly kids: readonly string[]
  /** The newest key that the pod can verify; undefined when there is none in common. */
  choose(podKeyIds: readonly string[]): SigningKey | undefined
}

/**
 * Loads the private keys from the text of a JWK Set, newest first. Each key is imported once: signing with a fresh
 * import each time costs more than the signature.
 *
 * @throws GreenroomError GRN_INVALID_CONFIG; its message never holds key material.
 */
export async function loadSigningKeys(text: string): Promise<SigningKeys> {
  const keys = parseSigningKeys(text).map(importKey)
  return {
    kids: keys.map((key) => key.kid),
    choose: (podKeyIds) => keys.find((key) => podKeyIds.includes(key.kid)),
  }
}

/** The keys of a private JWK Set, not imported. @throws as {@link loadSigningKeys} does */
export function parseSigningKeys(text: string): readonly PrivateAssignJwk[] {
  const reading = readPrivateKeySet(text)
  if (!reading.ok) throw invalid(reading.problem)
  return reading.keys
}

function importKey({ kty, crv, kid, x, d }: PrivateAssignJwk, index: number): SigningKey {
  const header = Buffer.from(JSON.stringify({ alg: assignAlgorithm, kid, typ: 'JWT' })).toString('base64url')
  let key: KeyObject
  try {
    key = createPrivateKey({ key: { kty, crv, x, d }, format: 'jwk' })
  } catch {
    throw invalid(`key ${index + 1} is not a usable Ed25519 private key`)
  }
  // OpenSSL computes the public part from `d` and ignores `x`: pods would verify with an `x` that belongs to another key.
  if (createPublicKey(key).export({ format: 'jwk' }).x !== x)
    throw invalid(`key ${index + 1} has a public part that is not its own`)
  return { kid, key, header }
}

function invalid(problem: string): GreenroomError {
  return new GreenroomError('GRN_INVALID_CONFIG', `assign keys: ${problem}`)
}

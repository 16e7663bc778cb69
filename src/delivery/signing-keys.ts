import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { assignAlgorithm } from '../domain/assign-contract.ts'
import { GreenroomError } from '../errors.ts'

/** A private Ed25519 key as it stands in Secret `greenroom-assign-key`. Never log one. */
export interface PrivateAssignJwk {
  readonly kty: 'OKP'
  readonly crv: 'Ed25519'
  readonly kid: string
  readonly x: string
  readonly d: string
}

export interface AssignKey {
  readonly kid: string
  readonly key: KeyObject
  /** Protected header of every token signed with this key, encoded. */
  readonly header: string
}

export interface AssignKeys {
  /** Key ids, newest first. */
  readonly kids: readonly string[]
  /** The newest key that the pod can verify; undefined when there is none in common. */
  choose(podKeyIds: readonly string[]): AssignKey | undefined
}

/**
 * Loads the private keys from the text of a JWK Set, newest first. Each key is imported once: signing with a fresh
 * import each time costs more than the signature.
 *
 * @throws GreenroomError GRN_INVALID_CONFIG; its message never holds key material.
 */
export async function loadAssignKeys(text: string): Promise<AssignKeys> {
  const keys = parseAssignKeySet(text).map(importAssignKey)
  return {
    kids: keys.map((key) => key.kid),
    choose: (podKeyIds) => keys.find((key) => podKeyIds.includes(key.kid)),
  }
}

/** Checks the shape of a private JWK Set; see {@link loadAssignKeys}. */
export function parseAssignKeySet(text: string): readonly PrivateAssignJwk[] {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    // The parser's message quotes the text, which is key material: it must not become the cause either.
    throw invalid('not valid JSON')
  }
  const keys = (document as { keys?: unknown } | null)?.keys
  if (!Array.isArray(keys)) throw invalid('not a JWK Set: "keys" is not a list')
  if (keys.length === 0) throw invalid('the JWK Set holds no key')
  const checked = keys.map((key: unknown, index) => checkPrivateJwk(key, index))
  if (new Set(checked.map((key) => key.kid)).size < checked.length)
    throw invalid('two keys have the same kid')
  return checked
}

function checkPrivateJwk(candidate: unknown, index: number): PrivateAssignJwk {
  const { kty, crv, kid, x, d } = (candidate ?? {}) as Record<string, unknown>
  const at = `key ${index + 1}`
  if (kty !== 'OKP' || crv !== 'Ed25519') throw invalid(`${at} is not an Ed25519 key (kty OKP, crv Ed25519)`)
  // Key ids are joined by commas in a pod's annotation.
  if (typeof kid !== 'string' || !/^[\w-]{1,128}$/.test(kid)) {
    throw invalid(`${at} has no kid of letters, digits, "-" and "_"`)
  }
  if (typeof x !== 'string' || typeof d !== 'string') throw invalid(`${at} lacks its private part`)
  return { kty, crv, kid, x, d }
}

function importAssignKey({ kty, crv, kid, x, d }: PrivateAssignJwk, index: number): AssignKey {
  const header = Buffer.from(JSON.stringify({ alg: assignAlgorithm, kid, typ: 'JWT' })).toString('base64url')
  let key: KeyObject
  try {
    key = createPrivateKey({ key: { kty, crv, x, d }, format: 'jwk' })
  } catch {
    throw invalid(`key ${index + 1} is not a usable Ed25519 private key`)
  }
  // OpenSSL takes `d` alone and works out the public part: pods would be given one that fits nothing we sign.
  if (createPublicKey(key).export({ format: 'jwk' }).x !== x)
    throw invalid(`key ${index + 1} has a public part that is not its own`)
  return { kid, key, header }
}

function invalid(problem: string): GreenroomError {
  return new GreenroomError('GRN_INVALID_CONFIG', `assign keys: ${problem}`)
}

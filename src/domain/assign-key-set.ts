import { readExactJson } from './exact-json.ts'

/**
 * JWK Sets of the Ed25519 keys that sign assignments, and the one rule for them. Four parts use it: `greenroom
 * assign-key` makes the keys, the webhook injects the public set, the session server signs, the agent verifies.
 *
 * Checked by hand, because the agent SDK imports this file: a schema library costs its start more (`assign-contract.ts`).
 * No problem quotes what was read: a set may hold private keys, also where it should not.
 */

interface PublicAssignJwk {
  readonly kty: 'OKP'
  readonly crv: 'Ed25519'
  readonly kid: string
  /** The public key, base64url. */
  readonly x: string
}

/** As it stands in Secret `greenroom-assign-key`. Never log one. */
export interface PrivateAssignJwk extends PublicAssignJwk {
  /** The private key, base64url. */
  readonly d: string
}

/**
 * Key ids are joined by commas in a pod's annotation and stand in its environment, in files and in token headers. Dots
 * are allowed ("2026.10"): the webhook has always let them into pods, so refusing them would take the keys away from
 * pods that run.
 */
const keyIdPattern = /^[A-Za-z0-9._-]{1,128}$/

/** Both halves of an Ed25519 key are 32 bytes. */
const keyPattern = /^[A-Za-z0-9_-]{43}$/

type KeySetReading<Jwk> =
  | { readonly ok: true; readonly keys: readonly Jwk[] }
  /** Why it is no such set, in words that quote nothing of it. */
  | { readonly ok: false; readonly problem: string }

/** Reads a set of public keys, newest first. A private key in it makes the whole set unusable. */
export function readPublicKeySet(text: string): KeySetReading<PublicAssignJwk> {
  // In the text, because the text goes into pods as it is: JSON.parse keeps one of two members of the same name.
  if (/"d"\s*:/.test(text)) return { ok: false, problem: 'the public set holds a private key' }
  return readKeySet(text, readPublicJwk)
}

/** Reads a set of private keys, newest first. */
export function readPrivateKeySet(text: string): KeySetReading<PrivateAssignJwk> {
  return readKeySet(text, readPrivateJwk)
}

type JwkReading<Jwk> = Jwk | { readonly problem: string }

function readKeySet<Jwk extends PublicAssignJwk>(
  text: string,
  readJwk: (jwk: Readonly<Record<string, unknown>>) => JwkReading<Jwk>,
): KeySetReading<Jwk> {
  const reading = readExactJson(text)
  if (!reading.ok) return { ok: false, problem: reading.problem }
  const list = (reading.value as { keys?: unknown } | null)?.keys
  if (!Array.isArray(list)) return { ok: false, problem: 'not a JWK Set: "keys" is not a list' }
  if (list.length === 0) return { ok: false, problem: 'the JWK Set holds no key' }
  const keys: Jwk[] = []
  for (const [index, candidate] of list.entries()) {
    const key = readJwk((candidate ?? {}) as Readonly<Record<string, unknown>>)
    if ('problem' in key) return { ok: false, problem: `key ${index + 1} ${key.problem}` }
    keys.push(key)
  }
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length)
    return { ok: false, problem: 'two keys have the same kid' }
  return { ok: true, keys }
}

function readPublicJwk(jwk: Readonly<Record<string, unknown>>): JwkReading<PublicAssignJwk> {
  const { kty, crv, kid, x, d } = jwk
  if (d !== undefined) return { problem: 'is a private key' }
  if (kty !== 'OKP' || crv !== 'Ed25519') return { problem: 'is not an Ed25519 key (kty OKP, crv Ed25519)' }
  if (typeof kid !== 'string' || !keyIdPattern.test(kid))
    return { problem: 'has no kid of 1 to 128 letters, digits, ".", "-" and "_"' }
  if (typeof x !== 'string' || !keyPattern.test(x)) return { problem: 'has no public part x of 32 bytes' }
  return { kty, crv, kid, x }
}

function readPrivateJwk({ d, ...rest }: Readonly<Record<string, unknown>>): JwkReading<PrivateAssignJwk> {
  const key = readPublicJwk(rest)
  if ('problem' in key) return key
  if (typeof d !== 'string' || !keyPattern.test(d)) return { problem: 'has no private part d of 32 bytes' }
  return { ...key, d }
}

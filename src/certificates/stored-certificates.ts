import { X509Certificate } from 'node:crypto'
import { type CertificatePair, checkPair, factsOf, isSignedBy, namesOf } from './certificate-facts.ts'
import type { CertificateFacts, LeafFacts, SupersededAuthority } from './certificate-plan.ts'

/** The Secret of the built-in certificates: how it is written, and what it means. */

/** Keys of the Secret. The first four have the names that tools know; `superseded.json` is ours. */
const key = {
  authority: 'ca.crt',
  authorityKey: 'ca.key',
  leaf: 'tls.crt',
  leafKey: 'tls.key',
  superseded: 'superseded.json',
} as const

type SecretData = Readonly<Record<string, string>>

export interface StoredCertificates {
  /** Undefined if there is none, or if any part of what is known of authorities cannot be used. */
  readonly authority: { readonly pair: CertificatePair; readonly facts: CertificateFacts } | undefined
  readonly superseded: readonly SupersededAuthority[]
}

interface StoredSuperseded {
  readonly until: string
  readonly certificate: string
}

/** Never throws on rubbish: what cannot be used is as good as not there. */
export function authoritiesOf(data: SecretData): StoredCertificates {
  const superseded = supersededOf(data)
  const pair = { cert: data[key.authority] ?? '', key: data[key.authorityKey] ?? '' }
  const certificate = usable(pair)
  // Without the older ones a rotation under way would lose the trust that replicas still need; a new authority finds
  // them in the configurations.
  if (superseded === undefined || !certificate?.ca)
    return { authority: undefined, superseded: superseded ?? [] }
  return { authority: { pair, facts: factsOf(certificate) }, superseded }
}

/** The serving pair, not checked; undefined if either half is missing. */
export function leafPairOf(data: SecretData): CertificatePair | undefined {
  const cert = data[key.leaf]
  const leafKey = data[key.leafKey]
  return cert && leafKey ? { cert, key: leafKey } : undefined
}

/** PEM of the newest authority, '' if there is none. */
export function authorityPemOf(data: SecretData): string {
  return data[key.authority] ?? ''
}

/** Undefined if there is no pair, or none that fits together. The issuer is looked for among `authorities`. */
export function leafFactsOf(
  data: SecretData,
  authorities: readonly CertificateFacts[],
): LeafFacts | undefined {
  const pair = leafPairOf(data)
  const certificate = pair && usable(pair)
  if (!certificate) return undefined
  const issuer = authorities.find(({ pem }) => isSignedBy(certificate, new X509Certificate(pem)))
  return { ...factsOf(certificate), issuer: issuer?.fingerprint, names: namesOf(certificate) }
}

export function withAuthority(
  data: SecretData,
  pair: CertificatePair,
  superseded: readonly SupersededAuthority[],
): SecretData {
  return withSuperseded(
    { ...known(data), [key.authority]: pair.cert, [key.authorityKey]: pair.key },
    superseded,
  )
}

export function withLeaf(data: SecretData, pair: CertificatePair): SecretData {
  return { ...known(data), [key.leaf]: pair.cert, [key.leafKey]: pair.key }
}

export function withSuperseded(data: SecretData, superseded: readonly SupersededAuthority[]): SecretData {
  const stored = superseded.map(({ pem, untilMs }) => ({
    until: new Date(untilMs).toISOString(),
    certificate: pem,
  }))
  return { ...known(data), [key.superseded]: JSON.stringify(stored satisfies StoredSuperseded[]) }
}

/** Nothing that somebody else put beside our keys is carried on under our name. */
function known(data: SecretData): SecretData {
  const names: readonly string[] = Object.values(key)
  return Object.fromEntries(Object.entries(data).filter(([name]) => names.includes(name)))
}

function usable(pair: CertificatePair): X509Certificate | undefined {
  try {
    return checkPair(pair)
  } catch {
    // Said by the caller, who knows what it means.
    return undefined
  }
}

function supersededOf(data: SecretData): SupersededAuthority[] | undefined {
  try {
    const stored = JSON.parse(data[key.superseded] ?? '[]') as readonly StoredSuperseded[]
    return stored.map(({ until, certificate }) => {
      const untilMs = Date.parse(until)
      if (Number.isNaN(untilMs)) throw new TypeError('not a time')
      return { ...factsOf(new X509Certificate(certificate)), untilMs }
    })
  } catch {
    return undefined
  }
}

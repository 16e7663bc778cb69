import { X509Certificate } from 'node:crypto'
import {
  authoritiesIn,
  type CertificatePair,
  checkPair,
  factsOf,
  isSignedBy,
  namesOf,
} from './certificate-facts.ts'
import type { CertificateFacts, LeafFacts, SupersededAuthority } from './certificate-plan.ts'
import type { SecretStore } from './certificate-stores.ts'
import type { PairSource } from './serving-certificate.ts'

/** The Secret of the built-in certificates: its keys, how they are read and how they are written. */

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

/** Never throws: content that cannot be used counts as missing. */
export function authoritiesOf(data: SecretData): StoredCertificates {
  const superseded = supersededOf(data)
  const pair = { cert: data[key.authority] ?? '', key: data[key.authorityKey] ?? '' }
  const certificate = usable(pair)
  // If the older ones cannot be read, the newest one is not used either: a rotation under way would lose the trust that
  // replicas still need. A new authority finds the older ones in the configurations.
  if (superseded === undefined || !certificate?.ca)
    return { authority: undefined, superseded: superseded ?? [] }
  return { authority: { pair, facts: factsOf(certificate) }, superseded }
}

/** What the elected replica stored for all replicas to serve. */
export function storedPair(secret: SecretStore): PairSource {
  return {
    async read() {
      const { data } = await secret.read()
      const pair = leafPairOf(data)
      return pair && { ...pair, authority: authoritiesIn(data[key.authority] ?? '')[0]?.toString() ?? '' }
    },
  }
}

/** The serving pair, not checked; undefined if either half is missing. */
function leafPairOf(data: SecretData): CertificatePair | undefined {
  const cert = data[key.leaf]
  const leafKey = data[key.leafKey]
  return cert && leafKey ? { cert, key: leafKey } : undefined
}

/** Undefined if there is no pair, or its halves do not fit together. The issuer is one of `authorities`, or undefined. */
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

/** Only our own keys are written: what somebody else put beside them does not go on under our name. */
function known(data: SecretData): SecretData {
  const names: readonly string[] = Object.values(key)
  return Object.fromEntries(Object.entries(data).filter(([name]) => names.includes(name)))
}

function usable(pair: CertificatePair): X509Certificate | undefined {
  try {
    return checkPair(pair)
  } catch {
    // The caller knows what that means, and reports it.
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

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { CertificateFacts } from './certificate-plan.ts'

/** Certificate and key, PEM. */
export interface CertificatePair {
  readonly key: string
  readonly cert: string
}

/** Throws if the two do not parse or do not belong together. */
export function checkPair(pair: CertificatePair): X509Certificate {
  createSecureContext(pair)
  const certificate = new X509Certificate(pair.cert)
  if (!certificate.checkPrivateKey(createPrivateKey(pair.key))) {
    throw new Error('the certificate and the key do not belong together')
  }
  return certificate
}

export function factsOf(certificate: X509Certificate): CertificateFacts {
  return {
    pem: certificate.toString(),
    fingerprint: certificate.fingerprint256,
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
  }
}

/** DNS names and IP addresses of the certificate. */
export function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  // `DNS:a, IP Address:127.0.0.1`
  return subjectAltName.split(', ').flatMap((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1] ?? [])
}

/** The authorities in a PEM bundle; everything else in it is left out. */
export function authoritiesIn(bundle: string): X509Certificate[] {
  return certificatesIn(bundle).filter(({ ca }) => ca)
}

/** Throws unless the text has certificates of authorities, and no other and no broken ones. */
export function checkBundle(bundle: string): void {
  const blocks = pemBlocks(bundle)
  if (blocks.length === 0 || authoritiesIn(bundle).length < blocks.length)
    throw new Error('the bundle is not one or more certificates of authorities in PEM')
}

export function isSignedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
}

function certificatesIn(bundle: string): X509Certificate[] {
  return pemBlocks(bundle).flatMap((block) => {
    try {
      return [new X509Certificate(block)]
    } catch {
      // A broken block, written by somebody else, must not cost us the rest of the bundle.
      return []
    }
  })
}

function pemBlocks(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
}

import type { CertificatePair } from './certificate-facts.ts'

/** What the certificate program is asked to make; times are Unix ms, in X.509 whole seconds. */
export type CertificateOrder =
  | {
      readonly kind: 'authority'
      readonly name: string
      readonly notBeforeMs: number
      readonly notAfterMs: number
    }
  | {
      readonly kind: 'leaf'
      readonly authority: CertificatePair
      /** DNS names and IP addresses that it is good for. */
      readonly names: readonly string[]
      readonly notBeforeMs: number
      readonly notAfterMs: number
    }

export type CertificateReport =
  | { readonly kind: 'made'; readonly pair: CertificatePair }
  | { readonly kind: 'failed'; readonly reason: string }

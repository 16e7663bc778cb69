import type { CertificateOrder, CertificateReport } from './certificate-request.ts'
import { makeAuthority, makeLeaf } from './x509-signing.ts'

/**
 * A process of its own for each certificate: takes one order over IPC (never by arguments or environment, which others
 * can read), reports and ends.
 */
process.once('message', (order: CertificateOrder) => {
  make(order).then(
    (pair) => report({ kind: 'made', pair }),
    (error: unknown) =>
      report({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) }),
  )
})

function make(order: CertificateOrder) {
  return order.kind === 'authority' ? makeAuthority(order) : makeLeaf(order)
}

function report(message: CertificateReport): void {
  process.send?.(message, undefined, undefined, () => process.disconnect?.())
}

import type { CertificateOrder, CertificateReport } from './make-certificate.ts'
import { makeAuthority, makeLeaf } from './x509-signing.ts'

/**
 * The child process of make-certificate.ts, one for each certificate. It takes one order over IPC (arguments and
 * environment can be read by others), reports and ends.
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

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { CertificatePair } from './certificate-facts.ts'

/** What the program is asked to make. Times are Unix ms; X.509 keeps whole seconds. */
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

/** What the program answers. */
export type CertificateReport =
  | { readonly kind: 'made'; readonly pair: CertificatePair }
  | { readonly kind: 'failed'; readonly reason: string }

/** Makes one certificate and its key; throws if that fails or takes too long. */
export type CertificateMaker = (order: CertificateOrder) => Promise<CertificatePair>

const program = fileURLToPath(new URL('./make-certificate-program.ts', import.meta.url))

/** It takes 0.3 s on an idle machine; a node that was starting has taken 26 s to start one process. */
const deadlineMs = 60_000

/**
 * Makes it in a child process. The library for X.509 stays in memory once it is loaded (25 MB of the 120 MB that the
 * webhook may have), and is needed for a third of a second every twenty days.
 */
export const makeCertificate: CertificateMaker = async (order) => {
  // Our environment may hold secrets: the program gets none of it.
  const child = fork(program, { execArgv: [], env: {}, timeout: deadlineMs, killSignal: 'SIGKILL' })
  const ended = once(child, 'exit')
  try {
    const reported = new Promise<CertificateReport>((resolve) => child.once('message', resolve))
    child.send(order)
    const report = await Promise.race([reported, ended.then(endedEarly)])
    if (report.kind === 'made') return report.pair
    throw new Error(`the certificate could not be made: ${report.reason}`)
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

function endedEarly([code, signal]: readonly unknown[]): CertificateReport {
  return { kind: 'failed', reason: `its process ended with ${String(signal ?? code)}` }
}

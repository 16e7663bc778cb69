import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { CertificatePair } from './certificate-facts.ts'
import type { CertificateOrder, CertificateReport } from './certificate-request.ts'

/** Makes one certificate and its key; throws if that fails or takes too long. */
export type CertificateMaker = (order: CertificateOrder) => Promise<CertificatePair>

const program = fileURLToPath(new URL('./make-certificate-program.ts', import.meta.url))

/** 0.3 s on an idle machine; a starting node has taken 26 s to start one process. */
const deadlineMs = 60_000

/**
 * In a child process: the library for X.509 stays in memory once it is loaded (25 MB of the 120 MB that the webhook may
 * have), and is needed for a third of a second every twenty days.
 */
export const makeCertificate: CertificateMaker = async (order) => {
  // Nothing of our environment, which may hold secrets, is its business.
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

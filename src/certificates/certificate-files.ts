import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { GreenroomError } from '../errors.ts'
import { authoritiesIn } from './certificate-facts.ts'
import type { PairSource } from './serving-certificate.ts'

interface CertificateFiles {
  readonly keyPath: string
  readonly certPath: string
}

/**
 * The pair in two files, such as a mounted Secret of cert-manager or the output of `webhook-certs/make-certs.ts`. Both
 * have a `ca.crt` beside the certificate, which tells when the authority expires; it may be missing.
 */
export function certificateFiles({ keyPath, certPath }: CertificateFiles): PairSource {
  return {
    async read() {
      const [key, cert, authority] = await Promise.all([
        readConfigured('GREENROOM_WEBHOOK_KEY_FILE', keyPath),
        readConfigured('GREENROOM_WEBHOOK_CERT_FILE', certPath),
        readFile(join(dirname(certPath), 'ca.crt'), 'utf8').catch(() => ''),
      ])
      return { key, cert, authority: authoritiesIn(authority)[0]?.toString() ?? '' }
    },
  }
}

/** Reads a file that the configuration names; throws GRN_INVALID_CONFIG with the variable's name if it cannot. */
export async function readConfigured(variable: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new GreenroomError('GRN_INVALID_CONFIG', `${variable}: the file ${path} cannot be read`, {
      cause: error,
    })
  }
}

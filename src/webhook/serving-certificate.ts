import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions, type Server } from 'node:tls'
import type { Registry } from 'prom-client'
import type { Logger } from '../logging.ts'
import { createCertificateMetrics } from './webhook-metrics.ts'

/** Certificate and key of the webhook, PEM. */
export interface CertificatePair {
  readonly key: string
  readonly cert: string
}

/** The API server and every client of today speak 1.3; nothing older has to be defended. */
const minVersion = 'TLSv1.3'

/** Options for the server and for each later `setSecureContext`, which forgets what it is not told again. */
export function tlsOptions({ key, cert }: CertificatePair): SecureContextOptions {
  return { key, cert, minVersion }
}

/** Throws if the two do not parse or do not belong together. */
export function checkPair(pair: CertificatePair): X509Certificate {
  createSecureContext(tlsOptions(pair))
  const certificate = new X509Certificate(pair.cert)
  if (!certificate.checkPrivateKey(createPrivateKey(pair.key))) {
    throw new Error('the certificate and the key do not belong together')
  }
  return certificate
}

interface ServingCertificateOptions {
  readonly keyPath: string
  readonly certPath: string
  readonly logger: Logger
  readonly registry: Registry
  readonly pollMs?: number
}

/**
 * As often as controller-runtime looks beside its file notifications: mounted Secrets change by a swap of symbolic
 * links, which notifications miss.
 */
const defaultPollMs = 10_000

/**
 * The certificate files, read now and looked at again from time to time. A changed pair is served at once, without
 * cutting a connection; one that does not parse or whose halves do not belong together (a swap seen half-way) changes
 * nothing. Rejects if the files cannot be read at the start.
 */
export async function createServingCertificate(options: ServingCertificateOptions) {
  const { keyPath, certPath, logger, registry, pollMs = defaultPollMs } = options
  const metrics = createCertificateMetrics(registry)
  const servers = new Set<Server>()
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const read = async (): Promise<CertificatePair> => {
    const [key, cert] = await Promise.all([readFile(keyPath, 'utf8'), readFile(certPath, 'utf8')])
    return { key, cert }
  }
  const take = (pair: CertificatePair): void => {
    const certificate = checkPair(pair)
    metrics.expiresAt.set(certificate.validToDate.getTime() / 1000)
    logger.info({ validTo: certificate.validToDate.toISOString() }, 'serving certificate in use')
  }

  let current = await read()
  take(current)
  let seen = current

  const look = async (): Promise<void> => {
    try {
      const found = await read()
      if (found.key === seen.key && found.cert === seen.cert) return
      seen = found
      take(found)
      current = found
      for (const server of servers) server.setSecureContext(tlsOptions(found))
      metrics.reloads.inc({ outcome: 'taken' })
    } catch (error) {
      metrics.reloads.inc({ outcome: 'refused' })
      logger.error({ err: error }, 'changed certificate files are not usable; the old pair stays')
    }
  }
  const schedule = (): void => {
    if (stopped) return
    timer = setTimeout(() => void look().finally(schedule), pollMs)
    timer.unref()
  }

  return {
    /** The pair in use. */
    pair: (): CertificatePair => current,
    /** Every later change goes to this server as well. */
    serve(server: Server): void {
      servers.add(server)
      server.setSecureContext(tlsOptions(current))
    },
    /** Starts looking; the first look is after `pollMs`. */
    start: schedule,
    /** Looks once, now. */
    look,
    stop(): void {
      stopped = true
      clearTimeout(timer)
    },
  }
}

export type ServingCertificate = Awaited<ReturnType<typeof createServingCertificate>>

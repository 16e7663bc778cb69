import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions, type SecureVersion, type Server } from 'node:tls'
import type { Logger } from '../logging.ts'
import type { CertificateMetrics } from '../webhook/webhook-metrics.ts'
import { type CertificatePair, checkBundle, checkPair } from './certificate-facts.ts'

export type { CertificatePair } from './certificate-facts.ts'

/** Everything about TLS that can change while we serve, or must be said again when something else does. */
export interface ServingTls extends CertificatePair {
  /** TLSv1.3 unless said otherwise. */
  readonly minVersion?: SecureVersion
  /** PEM of the authorities of client certificates; without it callers are not asked for one. */
  readonly clientCa?: string | undefined
}

/** The API server and every client of today speak 1.3; nothing older has to be defended. */
const defaultMinVersion = 'TLSv1.3'

/** Options for the server and for each later `setSecureContext`, which forgets what it is not told again. */
export function tlsOptions({ key, cert, minVersion, clientCa }: ServingTls): SecureContextOptions {
  return {
    key,
    cert,
    minVersion: minVersion ?? defaultMinVersion,
    ...(clientCa !== undefined && { ca: clientCa }),
  }
}

/** Where pairs come from: files, or the Secret of the built-in certificates. */
export interface PairSource {
  /** What is to be served; undefined: there is nothing yet. Throws if it cannot be told. */
  read(): Promise<OfferedPair | undefined>
}

export interface OfferedPair extends CertificatePair {
  /** PEM of what signed it, '' if that is not known. */
  readonly authority: string
}

interface ServingCertificateOptions {
  readonly source: PairSource
  /** PEM of the authorities of client certificates, read like the pair; callers are not asked for one without it. */
  readonly readClientCa?: (() => Promise<string>) | undefined
  /**
   * Makes something to answer probes with while the source has nothing. Without it there is no start without a pair.
   */
  readonly placeholder?: () => Promise<CertificatePair>
  readonly minVersion?: SecureVersion
  readonly logger: Logger
  readonly metrics: CertificateMetrics
  /** Between two looks at the source. */
  readonly pollMs?: number
}

/**
 * As often as controller-runtime looks beside its file notifications: mounted Secrets change by a swap of symbolic
 * links, which notifications miss.
 */
const defaultPollMs = 10_000

/** While there is nothing to serve, somebody waits. */
const emptyPollMs = 500

interface Served {
  readonly pair: OfferedPair
  readonly clientCa: string | undefined
}

/**
 * The certificate that every server shows, read now and looked at again from time to time. A changed pair, or a changed
 * client CA alone, is in use at once, without cutting a connection; one that does not parse or whose halves do not
 * belong together (a swap seen half-way) changes nothing. Rejects if there is nothing to serve and no placeholder.
 */
export async function createServingCertificate(options: ServingCertificateOptions) {
  const { source, readClientCa, logger, metrics, minVersion, pollMs = defaultPollMs } = options
  const servers = new Set<Server>()
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let current: Served | undefined
  let seen: Served | undefined
  let placeholder: CertificatePair | undefined

  const read = async (): Promise<Served | undefined> => {
    const [pair, clientCa] = await Promise.all([source.read(), readClientCa?.()])
    return pair && { pair, clientCa }
  }
  const take = ({ pair, clientCa }: Served): void => {
    const certificate = checkPair(pair)
    if (clientCa !== undefined) checkBundle(clientCa)
    createSecureContext(tlsFrom({ pair, clientCa }))
    current = { pair, clientCa }
    const expires = (name: string, { validToDate }: X509Certificate): void =>
      metrics.expiresAt.set({ certificate: name }, validToDate.getTime() / 1000)
    expires('serving', certificate)
    if (pair.authority !== '') expires('authority', new X509Certificate(pair.authority))
    const { serialNumber, validToDate } = certificate
    logger.info({ serialNumber, validTo: validToDate.toISOString() }, 'serving certificate in use')
  }
  const tlsFrom = ({ pair: { key, cert }, clientCa }: Served): SecureContextOptions =>
    tlsOptions({ key, cert, clientCa, ...(minVersion && { minVersion }) })

  const look = async (): Promise<void> => {
    let found: Served | undefined
    try {
      found = await read()
    } catch (error) {
      metrics.errors.inc({ step: 'read-pair' })
      logger.warn({ err: error }, 'the serving certificate cannot be read; the old pair stays')
      return
    }
    // Nothing there any more is no reason to stop serving.
    if (found === undefined || sameServed(found, seen)) return
    seen = found
    try {
      take(found)
      for (const server of servers) server.setSecureContext(tlsFrom(found))
      metrics.reloads.inc({ outcome: 'taken' })
    } catch (error) {
      metrics.reloads.inc({ outcome: 'refused' })
      logger.error({ err: error }, 'the changed certificate is not usable; the old pair stays')
    }
  }
  let looking: Promise<void> | undefined
  const lookOnce = (): Promise<void> => {
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }
  const schedule = (): void => {
    if (stopped) return
    const waitMs = current === undefined ? Math.min(emptyPollMs, pollMs) : pollMs
    timer = setTimeout(() => void lookOnce().finally(schedule), waitMs)
    timer.unref()
  }

  if (options.placeholder === undefined) {
    seen = await read()
    if (seen === undefined) throw new Error('there is no serving certificate')
    take(seen)
  } else {
    await look()
    if (current === undefined) placeholder = await options.placeholder()
  }

  /** Of the placeholder while there is no pair. */
  const tls = (): ServingTls => {
    const { key, cert } = current?.pair ?? (placeholder as CertificatePair)
    return { key, cert, clientCa: current?.clientCa, ...(minVersion && { minVersion }) }
  }
  return {
    /** For the server, when it is made. */
    tls,
    /** The pair in use. */
    pair: (): CertificatePair => {
      const { key, cert } = tls()
      return { key, cert }
    },
    /** False while only the placeholder can be shown. */
    ready: () => current !== undefined,
    /** Every later change goes to this server as well. */
    serve(server: Server): void {
      servers.add(server)
      server.setSecureContext(tlsOptions(tls()))
    },
    /** Starts looking; the first look is after `pollMs`. */
    start: schedule,
    /** Looks once, now; one that is under way counts. */
    look: lookOnce,
    stop(): void {
      stopped = true
      clearTimeout(timer)
    },
  }
}

export type ServingCertificate = Awaited<ReturnType<typeof createServingCertificate>>

function sameServed(found: Served, seen: Served | undefined): boolean {
  return (
    seen !== undefined &&
    found.pair.key === seen.pair.key &&
    found.pair.cert === seen.pair.cert &&
    found.pair.authority === seen.pair.authority &&
    found.clientCa === seen.clientCa
  )
}

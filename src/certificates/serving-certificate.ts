import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions, type SecureVersion, type Server } from 'node:tls'
import type { Logger } from '../logging.ts'
import { type CertificatePair, checkBundle, checkPair } from './certificate-facts.ts'
import type { CertificateMetrics } from './certificate-metrics.ts'

/** The part of TLS that can change while we serve, and what must be said again when it does. */
export interface ServingTls extends CertificatePair {
  /** TLSv1.3 by default. */
  readonly minVersion?: SecureVersion
  /** PEM of the authorities of client certificates; without it callers are not asked for one. */
  readonly clientCa?: string | undefined
}

/** The API server and every client of today speak 1.3; no older client needs an exception. */
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
  /** What is to be served; undefined: there is nothing yet. Throws if the source cannot be read. */
  read(): Promise<OfferedPair | undefined>
}

interface OfferedPair extends CertificatePair {
  /** PEM of what signed it, '' if that is not known. */
  readonly authority: string
}

interface ServingCertificateOptions {
  readonly source: PairSource
  /** PEM of the authorities of client certificates, read like the pair; callers are not asked for one without it. */
  readonly readClientCa?: (() => Promise<string>) | undefined
  /** Makes a pair to answer probes with while the source has nothing. Without it there is no start without a pair. */
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

/** While there is nothing to serve, the API server may be waiting for us. */
const emptyPollMs = 500

/** What the source and the client CA say at one look. */
interface Offer {
  readonly pair: OfferedPair
  readonly clientCa: string | undefined
}

/**
 * The certificate that every server of this process shows. It is read now and looked at again every `pollMs`. A changed
 * pair, or a changed client CA alone, is in use at once, and no connection is cut. A pair that does not parse, or whose
 * halves do not belong together (a swap seen half-way), changes nothing. Rejects if there is nothing to serve and no
 * placeholder.
 */
export async function createServingCertificate(options: ServingCertificateOptions) {
  const { logger, metrics, minVersion, pollMs = defaultPollMs } = options
  const servers = new Set<Server>()
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let looking: Promise<void> | undefined
  /** In use; undefined: only the placeholder can be shown. */
  let current: Offer | undefined
  /** The last one that was judged: one that was refused is not judged at every look. */
  let seen: Offer | undefined
  let placeholder: CertificatePair | undefined
  let endsAt: number | undefined

  /** Of the placeholder while there is no pair. */
  const tls = (): ServingTls => {
    const { key, cert } = current?.pair ?? (placeholder as CertificatePair)
    return { key, cert, clientCa: current?.clientCa, ...(minVersion && { minVersion }) }
  }
  const take = (offer: Offer): void => {
    const certificate = checkOffer(offer)
    current = offer
    endsAt = certificate.validToDate.getTime()
    noteExpiry(metrics, certificate, offer)
    const { serialNumber, validToDate } = certificate
    logger.info({ serialNumber, validTo: validToDate.toISOString() }, 'serving certificate in use')
  }
  const look = async (): Promise<void> => {
    let found: Offer | undefined
    try {
      found = await readOffer(options)
    } catch (error) {
      metrics.errors.inc({ step: 'read-pair' })
      logger.warn({ err: error }, 'the serving certificate cannot be read; the old pair stays')
      return
    }
    // A pair that is gone from the source is served on.
    if (found === undefined || sameOffer(found, seen)) return
    seen = found
    try {
      take(found)
      for (const server of servers) server.setSecureContext(tlsOptions(tls()))
      metrics.reloads.inc({ outcome: 'taken' })
    } catch (error) {
      metrics.reloads.inc({ outcome: 'refused' })
      logger.error({ err: error }, 'the changed certificate is not usable; the old pair stays')
    }
  }
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
    seen = await readOffer(options)
    if (seen === undefined) throw new Error('there is no serving certificate')
    take(seen)
  } else {
    await look()
    if (current === undefined) placeholder = await options.placeholder()
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
    /** Of the pair in use, epoch ms; undefined while only the placeholder can be shown. */
    endsAt: (): number | undefined => endsAt,
    /** Gives the certificate to this server, and every later change. */
    serve(server: Server): void {
      servers.add(server)
      server.setSecureContext(tlsOptions(tls()))
    },
    /** Starts looking; the first look is after `pollMs`. */
    start: schedule,
    /** Looks now, or joins the look that is under way. */
    look: lookOnce,
    stop(): void {
      stopped = true
      clearTimeout(timer)
    },
  }
}

export type ServingCertificate = Awaited<ReturnType<typeof createServingCertificate>>

async function readOffer({ source, readClientCa }: ServingCertificateOptions): Promise<Offer | undefined> {
  const [pair, clientCa] = await Promise.all([source.read(), readClientCa?.()])
  return pair && { pair, clientCa }
}

/** Throws if a server could not show it. */
function checkOffer({ pair, clientCa }: Offer): X509Certificate {
  const certificate = checkPair(pair)
  if (clientCa !== undefined) checkBundle(clientCa)
  createSecureContext(tlsOptions({ key: pair.key, cert: pair.cert, clientCa }))
  return certificate
}

function noteExpiry(
  metrics: CertificateMetrics,
  serving: X509Certificate,
  { pair: { authority } }: Offer,
): void {
  const note = (certificate: string, { validToDate }: X509Certificate): void =>
    metrics.expiresAt.set({ certificate }, validToDate.getTime() / 1000)
  note('serving', serving)
  if (authority !== '') note('authority', new X509Certificate(authority))
}

function sameOffer(found: Offer, seen: Offer | undefined): boolean {
  return (
    seen !== undefined &&
    found.pair.key === seen.pair.key &&
    found.pair.cert === seen.pair.cert &&
    found.pair.authority === seen.pair.authority &&
    found.clientCa === seen.clientCa
  )
}

import type { Logger } from '../logging.ts'
import { pause } from '../timing/pause.ts'
import { authoritiesIn, factsOf } from './certificate-facts.ts'
import type { CertificateMetrics } from './certificate-metrics.ts'
import {
  type CertificateRules,
  type CertificateState,
  type CertificateStep,
  certificatePlan,
  clockSkewMs,
  type TrustEntry,
} from './certificate-plan.ts'
import type { SecretContent, SecretStore, TrustStore } from './certificate-stores.ts'
import type { CertificateMaker, CertificateOrder } from './make-certificate.ts'
import {
  authoritiesOf,
  leafFactsOf,
  type StoredCertificates,
  withAuthority,
  withLeaf,
  withSuperseded,
} from './stored-certificates.ts'

/**
 * Keeps the built-in certificates; only the elected replica runs it. It looks at the Secret and at the webhook
 * configurations, takes the one step that certificate-plan.ts names, and looks again. What it does next depends on what
 * it finds, never on what it did before:
 *
 * - No usable authority, or one that is due: it makes an authority and stores it beside the old ones.
 * - Some webhook entry does not trust exactly the authorities that are needed: it publishes them to all entries.
 * - The trust is published, but not for `settleMs` yet: it waits, because caches of API servers lag.
 * - No leaf of this authority, one that is due, or one with other names: it makes a leaf and stores it.
 * - Old authorities whose last leaf has expired: it forgets them.
 * - Otherwise: nothing. It looks again after `lookMs`, or at once when it is woken.
 *
 * Every write is compare-and-set on what was seen. A leader that was replaced and does not know it yet changes nothing.
 */

type EntryAsRead = Omit<TrustEntry, 'authorities'>

interface RotationOptions<Entry extends EntryAsRead> {
  readonly secret: SecretStore
  readonly trust: TrustStore<Entry>
  readonly make: CertificateMaker
  readonly rules: CertificateRules
  /** Longest time between two looks, for a wake-up that was missed. */
  readonly lookMs: number
  readonly logger: Logger
  readonly metrics: CertificateMetrics
  /** A new pair is in the Secret: this replica need not wait until it looks by itself. */
  readonly onStored?: () => void
  /** Unix ms. */
  readonly now?: () => number
  readonly monotonicMs?: () => number
}

/** After a failure, even if `lookMs` is long: replicas may be waiting for their first certificate. */
const retryMs = 1_000

/** Between two steps: short for a rotation, and somebody who keeps changing a bundle back cannot make us spin. */
const nextStepMs = 50

/** What one look found. */
interface Observation<Entry> {
  readonly content: SecretContent
  readonly entries: readonly Entry[]
  readonly stored: StoredCertificates
  readonly state: CertificateState
}

export function createRotation<Entry extends EntryAsRead>(options: RotationOptions<Entry>) {
  const { secret, logger, metrics, rules, lookMs } = options
  const { now = () => Date.now(), monotonicMs = () => performance.now() } = options
  const trustClock = createTrustClock(metrics, monotonicMs)
  let wake: () => void = () => undefined

  const observe = async (): Promise<Observation<Entry>> => {
    const [content, entries] = await Promise.all([secret.read(), readTrust(options)])
    const stored = authoritiesOf(content.data)
    const { superseded } = stored
    const authority = stored.authority?.facts
    const trust = entries?.map((entry) => ({
      ...entry,
      authorities: authoritiesIn(entry.bundle).map(factsOf),
    }))
    const state: CertificateState = {
      authority,
      superseded,
      leaf: leafFactsOf(content.data, authority ? [authority, ...superseded] : superseded),
      trust,
      trustedForMs: trustClock.note(authority?.fingerprint, trust),
    }
    return { content, entries: entries ?? [], stored, state }
  }

  const act = async (step: CertificateStep, seen: Observation<Entry>, signal: AbortSignal): Promise<void> => {
    const { content, entries, stored } = seen
    const store = async (data: SecretContent['data']): Promise<void> => {
      // Making a certificate took a moment. If another replica leads now, it goes on from what is stored.
      signal.throwIfAborted()
      await secret.write(data, content.version)
    }
    if (step.kind === 'make-authority') {
      const pair = await options.make(authorityOrder(now(), rules))
      await store(withAuthority(content.data, pair, step.superseded))
    } else if (step.kind === 'publish-trust') {
      signal.throwIfAborted()
      await options.trust.publish(entries, step.bundle)
    } else if (step.kind === 'make-leaf' && stored.authority) {
      const pair = await options.make(leafOrder(now(), rules, stored.authority))
      await store(withLeaf(content.data, pair))
      options.onStored?.()
    } else if (step.kind === 'forget-authorities') {
      await store(withSuperseded(content.data, step.superseded))
    }
  }

  /** One look, and one step if one is due. Counts and throws an error. */
  const look = async (signal: AbortSignal): Promise<CertificateStep> => {
    let step: CertificateStep | { readonly kind: 'look' } = { kind: 'look' }
    try {
      const seen = await observe()
      step = certificatePlan(seen.state, now(), rules)
      if (step.kind === 'nothing' || step.kind === 'wait') return step
      logger.info({ step: step.kind }, 'certificates: next step')
      await act(step, seen, signal)
      metrics.rotations.inc({ step: step.kind, outcome: 'done' })
      return step
    } catch (error) {
      if (signal.aborted) return { kind: 'nothing' }
      metrics.errors.inc({ step: step.kind })
      if (step.kind !== 'look') metrics.rotations.inc({ step: step.kind, outcome: 'failed' })
      throw error
    }
  }

  const lookThenPauseMs = async (signal: AbortSignal): Promise<number> => {
    try {
      const step = await look(signal)
      if (step.kind === 'wait') return Math.min(step.ms, lookMs)
      return step.kind === 'nothing' ? lookMs : nextStepMs
    } catch (error) {
      logger.warn({ err: error }, 'the certificates could not be kept; trying again')
      return Math.min(retryMs, lookMs)
    }
  }

  return {
    look,
    /** Looks until the signal aborts. Never rejects. */
    async run(signal: AbortSignal): Promise<void> {
      trustClock.reset()
      let round = new AbortController()
      wake = () => round.abort()
      signal.addEventListener('abort', wake, { once: true })
      while (!signal.aborted) {
        round = new AbortController()
        const pauseMs = await lookThenPauseMs(signal)
        if (signal.aborted) break
        // Woken during the look: it may have seen what was there before the change.
        if (round.signal.aborted) await pause(nextStepMs, signal)
        else await pause(pauseMs, round.signal)
      }
      trustClock.reset()
      metrics.trustComplete.reset()
    },
    /** Something may have changed. */
    wake: () => wake(),
  }
}

async function readTrust<Entry extends EntryAsRead>({
  trust,
  metrics,
  logger,
}: RotationOptions<Entry>): Promise<readonly Entry[] | undefined> {
  try {
    return await trust.read()
  } catch (error) {
    metrics.errors.inc({ step: 'read-trust' })
    logger.warn({ err: error }, 'the webhook configurations cannot be read')
    return undefined
  }
}

/** Measures how long every entry has been seen to trust one authority. */
function createTrustClock(metrics: CertificateMetrics, monotonicMs: () => number) {
  let trusted: { readonly fingerprint: string; readonly sinceMs: number } | undefined
  return {
    /** Notes one look; returns for how long all entries have trusted the authority, undefined if they do not. */
    note(fingerprint: string | undefined, trust: readonly TrustEntry[] | undefined): number | undefined {
      const trusts = ({ authorities }: TrustEntry) =>
        authorities.some((known) => known.fingerprint === fingerprint)
      if (fingerprint === undefined || !trust?.every(trusts)) trusted = undefined
      else if (trusted?.fingerprint !== fingerprint) trusted = { fingerprint, sinceMs: monotonicMs() }
      metrics.trustComplete.reset()
      for (const [configuration, own] of Map.groupBy(trust ?? [], (entry) => entry.configuration))
        metrics.trustComplete.set({ configuration }, own.every(trusts) ? 1 : 0)
      return trusted && monotonicMs() - trusted.sinceMs
    },
    reset(): void {
      trusted = undefined
    },
  }
}

function authorityOrder(nowMs: number, { authorityLifeMs }: CertificateRules): CertificateOrder {
  return {
    kind: 'authority',
    name: `greenroom webhook CA ${new Date(nowMs).toISOString()}`,
    notBeforeMs: nowMs - clockSkewMs,
    notAfterMs: nowMs + authorityLifeMs,
  }
}

function leafOrder(
  nowMs: number,
  { leafLifeMs, names }: CertificateRules,
  { pair, facts }: NonNullable<StoredCertificates['authority']>,
): CertificateOrder {
  // It cannot be trusted for longer than its authority.
  const notAfterMs = Math.min(nowMs + leafLifeMs, facts.notAfterMs)
  return { kind: 'leaf', authority: pair, names, notBeforeMs: nowMs - clockSkewMs, notAfterMs }
}

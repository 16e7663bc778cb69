import type { Logger } from '../logging.ts'
import { startPause } from '../timing/pause.ts'
import type { CertificateMetrics } from '../webhook/webhook-metrics.ts'
import { authoritiesIn, factsOf } from './certificate-facts.ts'
import {
  type CertificateRules,
  type CertificateState,
  type CertificateStep,
  certificatePlan,
  clockSkewMs,
  type TrustEntry,
} from './certificate-plan.ts'
import type { SecretContent, SecretStore, TrustStore } from './certificate-stores.ts'
import type { CertificateMaker } from './make-certificate.ts'
import {
  authoritiesOf,
  leafFactsOf,
  type StoredCertificates,
  withAuthority,
  withLeaf,
  withSuperseded,
} from './stored-certificates.ts'

type EntryAsRead = Omit<TrustEntry, 'authorities'>

export interface CertificateKeeperOptions<Entry extends EntryAsRead> {
  readonly secret: SecretStore
  readonly trust: TrustStore<Entry>
  readonly make: CertificateMaker
  readonly rules: CertificateRules
  /** Longest time between two looks: a wake-up that was missed is made up for after it. */
  readonly lookMs: number
  readonly logger: Logger
  readonly metrics: CertificateMetrics
  /** A new pair is in the Secret: this replica need not wait until it looks by itself. */
  readonly onStored?: () => void
  /** Unix ms. */
  readonly now?: () => number
  readonly monotonicMs?: () => number
}

/** After a failure, however rarely it looks otherwise: replicas may be waiting for their first certificate. */
const retryMs = 1_000

/** Between two steps: short for a rotation, and whoever fights with us over a bundle cannot make us spin. */
const nextStepMs = 50

/**
 * What the elected replica does for the certificates: looks at the Secret and the configurations, takes the one step
 * that the plan names, and looks again. Every write is compare-and-set on what was seen, so a leader that was replaced
 * without knowing it changes nothing.
 */
export function createCertificateKeeper<Entry extends EntryAsRead>(options: CertificateKeeperOptions<Entry>) {
  const { secret, trust, logger, metrics, rules, lookMs } = options
  const { now = () => Date.now(), monotonicMs = () => performance.now() } = options
  let wakeUp: () => void = () => undefined
  /** Since when every entry was seen to trust this authority; monotonic. */
  let trusted: { readonly fingerprint: string; readonly sinceMs: number } | undefined

  const readTrust = async (): Promise<readonly Entry[] | undefined> => {
    try {
      return await trust.read()
    } catch (error) {
      metrics.errors.inc({ step: 'read-trust' })
      logger.warn({ err: error }, 'the webhook configurations cannot be read')
      return undefined
    }
  }

  const observe = async (): Promise<Observation<Entry>> => {
    const [content, entries] = await Promise.all([secret.read(), readTrust()])
    const stored = authoritiesOf(content.data)
    const { superseded } = stored
    const authority = stored.authority?.facts
    const found = entries?.map((entry) => ({
      ...entry,
      authorities: authoritiesIn(entry.bundle).map(factsOf),
    }))
    noteTrust(authority?.fingerprint, found)
    const state: CertificateState = {
      authority,
      superseded,
      leaf: leafFactsOf(content.data, authority ? [authority, ...superseded] : superseded),
      trust: found,
      trustedForMs: trusted && monotonicMs() - trusted.sinceMs,
    }
    return { content, entries: entries ?? [], stored, state }
  }

  const noteTrust = (fingerprint: string | undefined, entries: readonly TrustEntry[] | undefined): void => {
    const trusts = ({ authorities }: TrustEntry) =>
      authorities.some((known) => known.fingerprint === fingerprint)
    if (fingerprint === undefined || !entries?.every(trusts)) trusted = undefined
    else if (trusted?.fingerprint !== fingerprint) trusted = { fingerprint, sinceMs: monotonicMs() }
    metrics.trustComplete.reset()
    for (const { configuration } of entries ?? []) {
      const own = (entries ?? []).filter((entry) => entry.configuration === configuration)
      metrics.trustComplete.set({ configuration }, own.every(trusts) ? 1 : 0)
    }
  }

  const act = async (step: CertificateStep, seen: Observation<Entry>, signal: AbortSignal): Promise<void> => {
    const { content, entries, stored } = seen
    const store = async (data: SecretContent['data']): Promise<void> => {
      // Making one took a moment: whoever leads now goes on from what is stored.
      signal.throwIfAborted()
      await secret.write(data, content.version)
    }
    if (step.kind === 'make-authority') {
      const pair = await options.make(authorityOrder(now(), rules))
      await store(withAuthority(content.data, pair, step.superseded))
    } else if (step.kind === 'publish-trust') {
      signal.throwIfAborted()
      await trust.publish(entries, step.bundle)
    } else if (step.kind === 'make-leaf' && stored.authority) {
      const pair = await options.make(leafOrder(now(), rules, stored.authority))
      await store(withLeaf(content.data, pair))
      options.onStored?.()
    } else if (step.kind === 'forget-authorities') {
      await store(withSuperseded(content.data, step.superseded))
    }
  }

  /** One look, and one step if one is due. Throws what went wrong, counted. */
  const look = async (signal: AbortSignal): Promise<CertificateStep> => {
    let step: CertificateStep | { readonly kind: 'look' } = { kind: 'look' }
    try {
      const seen = await observe()
      step = certificatePlan(seen.state, now(), rules)
      if (isIdle(step)) return step
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

  const pauseAfter = async (signal: AbortSignal): Promise<number> => {
    try {
      const step = await look(signal)
      if (step.kind === 'wait') return Math.min(step.ms, lookMs)
      return step.kind === 'nothing' ? lookMs : nextStepMs
    } catch (error) {
      logger.warn({ err: error }, 'the certificates could not be kept; tried again')
      return Math.min(retryMs, lookMs)
    }
  }

  return {
    look,
    /** Looks until the signal; at once when woken. Never rejects. */
    async run(signal: AbortSignal): Promise<void> {
      trusted = undefined
      while (!signal.aborted) {
        let woken = false
        const call = Promise.withResolvers<void>()
        wakeUp = () => {
          woken = true
        }
        const pauseMs = await pauseAfter(signal)
        wakeUp = () => call.resolve()
        // Woken while it looked: what it saw may be what was before.
        await pauseUntil(call.promise, woken ? nextStepMs : pauseMs, signal)
      }
      metrics.trustComplete.reset()
    },
    /** Something may have changed. */
    wake: () => wakeUp(),
  }
}

export type CertificateKeeper = ReturnType<typeof createCertificateKeeper>

interface Observation<Entry> {
  readonly content: SecretContent
  readonly entries: readonly Entry[]
  readonly stored: StoredCertificates
  readonly state: CertificateState
}

function isIdle({ kind }: CertificateStep): boolean {
  return kind === 'nothing' || kind === 'wait'
}

function authorityOrder(nowMs: number, { authorityLifeMs }: CertificateRules) {
  const times = { notBeforeMs: nowMs - clockSkewMs, notAfterMs: nowMs + authorityLifeMs }
  return {
    kind: 'authority',
    name: `greenroom webhook CA ${new Date(nowMs).toISOString()}`,
    ...times,
  } as const
}

function leafOrder(
  nowMs: number,
  { leafLifeMs, names }: CertificateRules,
  { pair, facts }: NonNullable<StoredCertificates['authority']>,
) {
  // It cannot be trusted for longer than what signed it.
  const notAfterMs = Math.min(nowMs + leafLifeMs, facts.notAfterMs)
  return { kind: 'leaf', authority: pair, names, notBeforeMs: nowMs - clockSkewMs, notAfterMs } as const
}

async function pauseUntil(called: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  const { over, end } = startPause(ms, signal)
  void called.then(end)
  await over
}

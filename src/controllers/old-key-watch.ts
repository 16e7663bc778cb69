import { assignKeysFrom } from '../admission/policy/public-assign-keys.ts'
import type { PodView, PublicKeySet } from '../domain/cluster-ports.ts'
import { createUnneededSpells } from '../domain/old-keys.ts'
import type { SignerLedger } from '../domain/session-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { every } from '../timing/every.ts'

interface OldKeyWatchDeps {
  readonly keySet: PublicKeySet
  readonly signers: Pick<SignerLedger, 'since'>
  readonly pods: Pick<PodView, 'all' | 'synced'> & { staleSince(): number | undefined }
  /** What every pod of the namespace lists, in any phase, as the API server has them now. */
  readonly listed: () => Promise<readonly (readonly string[])[]>
  /** How long a key must have been unneeded at every look. A process that signs counts as long after it was last heard. */
  readonly waitMs: number
  /** Makes an Event about the ConfigMap. */
  readonly report: (note: string, uid: string | undefined) => void
  readonly metrics: Metrics
  readonly logger: Logger
  readonly monotonicMs: () => number
}

/** A look reads every pod, and nobody waits for an old key to go. */
const mostBetweenLooksMs = 30_000

/** Ids are as long as a SHA-256, and an Event holds 1 KiB. */
const namedKeys = 5

/**
 * Takes old public keys out of ConfigMap `greenroom-assign-keys` once nothing needs them (docs/identity.md, ADR 32). The
 * webhook lets this account remove old keys and nothing else. Private keys stay with the owner of the Secret.
 */
export function createOldKeyWatch(deps: OldKeyWatchDeps) {
  const { keySet, signers, pods, waitMs, metrics, logger, monotonicMs } = deps
  const spells = createUnneededSpells(waitMs)

  /** One look. Throws if something could not be read or written; then every key waits anew. */
  async function look(): Promise<void> {
    // An informer that does not hear from the API server is a sign that its lists cannot be trusted either.
    if (!pods.synced() || pods.staleSince() !== undefined) {
      spells.forget()
      return
    }
    const found = await keySet.read()
    const { keyIds } = assignKeysFrom(found?.text ?? '')
    metrics.assignKeys.set(keyIds.length)
    if (!found || keyIds.length < 2) {
      spells.forget()
      return
    }
    const [listed, signerKeyIds] = await Promise.all([deps.listed(), signers.since(waitMs)])
    // Both views of the pods must agree that nobody needs a key.
    const podKeyIds = [...listed, ...pods.all().map((pod) => pod.assignKeyIds)]
    const due = spells.due({ keyIds, podKeyIds, signerKeyIds }, monotonicMs())
    if (due.length === 0) return
    await found.replace(withoutKeys(found.text, due))
    metrics.assignKeysRemoved.inc(due.length)
    metrics.assignKeys.set(keyIds.length - due.length)
    logger.info({ keyIds: due, kept: keyIds.length - due.length }, 'old public assign keys were removed')
    const names = due.slice(0, namedKeys).join(', ') + (due.length > namedKeys ? ', …' : '')
    deps.report(`removed, because no pod and no session server needs them any more: ${names}`, found.uid)
  }

  async function lookOrForget(): Promise<void> {
    try {
      await look()
    } catch (error) {
      spells.forget()
      throw error
    }
  }

  return {
    look: lookOrForget,
    /** Looks until the signal, then says no more: only the leader speaks for the cluster. */
    async run(signal: AbortSignal): Promise<void> {
      spells.forget()
      const everyMs = Math.min(mostBetweenLooksMs, waitMs / 5)
      await every({ name: 'old-keys', everyMs, signal, logger, metrics }, lookOrForget)
      metrics.assignKeys.reset()
    },
  }
}

/** The set without these keys; everything else in it stays as it is. */
function withoutKeys(text: string, removed: readonly string[]): string {
  const set = JSON.parse(text) as { readonly keys: readonly { readonly kid: string }[] }
  return JSON.stringify({ ...set, keys: set.keys.filter(({ kid }) => !removed.includes(kid)) })
}

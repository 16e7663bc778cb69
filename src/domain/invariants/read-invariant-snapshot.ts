import type { AgentPod } from '../agent-pod.ts'
import type { IndexReader, InvariantSnapshot, LedgerReader } from './invariant-snapshot.ts'

/** The stores of one look. Each rejects with a GreenroomError while its store does not answer. */
export interface InvariantSources {
  /** The pods of all pools, Terminating ones too. */
  readonly pods: () => Promise<readonly AgentPod[]>
  readonly ledger: LedgerReader
  readonly index: IndexReader
  /** The pools whose index is read, given the pods. Without it: every pool that Redis has keys of. */
  readonly agentTypes?: (pods: readonly AgentPod[]) => readonly string[]
}

type InvariantStore = 'kubernetes' | 'postgresql' | 'redis'

export interface InvariantLook {
  readonly snapshot: InvariantSnapshot
  /** The stores that could not be read, and why. */
  readonly unread: readonly { readonly store: InvariantStore; readonly error: unknown }[]
}

/** Reads all three stores. One that fails does not keep the others from being judged. `nowMs` is epoch ms. */
export async function readInvariantSnapshot(
  sources: InvariantSources,
  nowMs: number,
): Promise<InvariantLook> {
  const unread: { store: InvariantStore; error: unknown }[] = []
  async function attempt<T>(store: InvariantStore, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      unread.push({ store, error })
      return undefined
    }
  }
  const { agentTypes } = sources
  // Pods come first, because PostgreSQL is asked about every one of them.
  const pods = await attempt('kubernetes', sources.pods)
  const [ledger, index] = await Promise.all([
    attempt('postgresql', () => sources.ledger.read((pods ?? []).map((pod) => pod.uid))),
    attempt('redis', async () =>
      sources.index.read(agentTypes ? agentTypes(pods ?? []) : await sources.index.pools()),
    ),
  ])
  return { snapshot: { pods: pods && { nowMs, pods }, ledger, index }, unread }
}

import type { AgentPod } from '../domain/agent-pod.ts'
import type { IndexReader, InvariantSnapshot, LedgerReader } from '../domain/invariants/invariant-snapshot.ts'

/** Where a look reads; each rejects with a GreenroomError while its store does not answer. */
export interface InvariantSources {
  /** The pods of all pools, Terminating ones too. */
  readonly pods: () => Promise<readonly AgentPod[]>
  readonly ledger: LedgerReader
  readonly index: IndexReader
  /** Pools whose index is read, given the pods; without it every pool that Redis has something of. */
  readonly agentTypes?: (pods: readonly AgentPod[]) => readonly string[]
}

export type InvariantStore = 'kubernetes' | 'postgresql' | 'redis'

export interface InvariantLook {
  readonly snapshot: InvariantSnapshot
  /** What could not be read, and why. */
  readonly unread: readonly { readonly store: InvariantStore; readonly error: unknown }[]
}

/** Reads all three stores; one that fails does not keep the others from being judged. `nowMs` is epoch ms. */
export async function lookAtInvariants(sources: InvariantSources, nowMs: number): Promise<InvariantLook> {
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
  // Pods first: PostgreSQL is asked about every one of them.
  const pods = await attempt('kubernetes', sources.pods)
  const [ledger, index] = await Promise.all([
    attempt('postgresql', () => sources.ledger.read((pods ?? []).map((pod) => pod.uid))),
    attempt('redis', async () =>
      sources.index.read(agentTypes ? agentTypes(pods ?? []) : await sources.index.pools()),
    ),
  ])
  return { snapshot: { pods: pods && { nowMs, pods }, ledger, index }, unread }
}

import type { PoolRevisions, RolloutChange } from '../../src/domain/pool-ports.ts'
import type { PoolRevision, RolloutOrder } from '../../src/domain/pool-revision.ts'

const noOrder: RolloutOrder = { paused: false, undoneHash: undefined, pinnedHash: undefined }

export function poolRevision(image: string, overrides: Partial<PoolRevision> = {}): PoolRevision {
  return {
    revision: `of ${image}`,
    templateHash: `hash of ${image}`,
    shape: { template: { image } },
    policyDigest: undefined,
    assignKeyId: undefined,
    firstSeen: 0,
    currentSince: 0,
    verdict: 'good',
    reason: undefined,
    served: [],
    ...overrides,
  }
}

/** The revisions of one pool, as a test says; orders are noted. Whoever would write others is refused. */
export function memoryRevisions(revisions: readonly PoolRevision[] = []) {
  const orders: RolloutChange[] = []
  let order = noOrder
  const never = () => Promise.reject(new Error('an API replica only orders'))
  const port: PoolRevisions = {
    read: async () => ({ revisions, order }),
    makeCurrent: never,
    judge: never,
    forget: never,
    async order(_agentType, change) {
      orders.push(change)
      if (change.kind === 'pause') order = { ...order, paused: true }
      else if (change.kind === 'resume') order = noOrder
      else order = { paused: false, undoneHash: change.undoneHash, pinnedHash: change.pinnedHash }
    },
  }
  return { port, orders }
}

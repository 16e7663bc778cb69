import {
  createDocumentWatch,
  type DocumentWatch,
  type DocumentWatchOptions,
} from '../cluster/document-watch.ts'
import { configMapKey, configMapName } from '../domain/names.ts'
import { checkPools, type PoolsDocument } from '../domain/pool.ts'

export interface WatchOptions
  extends Pick<DocumentWatchOptions<unknown>, 'clients' | 'namespace' | 'logger' | 'onRejected'> {
  /** Whether this role keeps what was accepted; one role does, by the rights of the manifests (docs/adr/0015). */
  readonly keeps: boolean
}

/** `agent-pools`, as every role reads it. */
export function watchPools({ keeps, ...options }: WatchOptions): DocumentWatch<PoolsDocument> {
  return createDocumentWatch({
    ...options,
    name: configMapName.pools,
    key: configMapKey.pools,
    check: checkPools,
    accepted: { name: configMapName.poolsAccepted, write: keeps },
  })
}

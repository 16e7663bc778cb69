import type { DocumentExaminer } from '../cluster/document-examination.ts'
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
  /** Judges pools before they come into force, and lets readers hear what the process that decides refused. */
  readonly examiner?: DocumentExaminer<PoolsDocument>
}

/** Decides nothing: takes what is valid until the controller refuses it. */
const reader: DocumentExaminer<PoolsDocument> = { decides: () => false, examine: async () => [] }

/** `agent-pools`, as every role reads it. */
export function watchPools({
  keeps,
  examiner = reader,
  ...options
}: WatchOptions): DocumentWatch<PoolsDocument> {
  return createDocumentWatch({
    ...options,
    examiner,
    name: configMapName.pools,
    key: configMapKey.pools,
    check: checkPools,
    accepted: { name: configMapName.poolsAccepted, write: keeps },
  })
}

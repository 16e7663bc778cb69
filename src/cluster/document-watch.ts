import type { Logger } from 'pino'
import type { Checked } from '../domain/checked-document.ts'
import type { DocumentStatus } from '../domain/document-status.ts'
import type { DocumentView } from '../domain/ports.ts'
import {
  type AcceptedDocument,
  type AcceptedDocumentClients,
  type AcceptedText,
  createAcceptedDocument,
  isKept,
} from './accepted-document.ts'
import { apiPath } from './api-path.ts'
import { createListWatch, type ListWatchTiming } from './list-watch.ts'
import type { KubeObject } from './watch-stream.ts'

/**
 * One key of one ConfigMap, watched. A valid document is in force at once. An invalid, missing or deleted one changes
 * nothing. The last accepted text is kept in a ConfigMap of its own. While what people wrote is not valid, every replica
 * uses the kept text. So a restart changes nothing, and replicas that missed different versions agree again
 * (docs/adr/0015).
 */
export interface DocumentWatch<T> extends DocumentView<T> {
  start(): void
  stop(): Promise<void>
  /** True once it is known what is in force: the written text or, while that is not valid, the kept one. */
  synced(): boolean
  staleSince(): number | undefined
}

interface RejectedDocument {
  readonly resourceVersion: string
  readonly problems: readonly string[]
}

export interface DocumentWatchOptions<T> {
  readonly clients: AcceptedDocumentClients
  readonly namespace: string
  readonly name: string
  readonly key: string
  readonly check: (text: string) => Checked<T>
  /** Where the last accepted text is kept; `write` for the one role that may write it. */
  readonly accepted?: { readonly name: string; readonly write: boolean }
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Once per resourceVersion that was not accepted. */
  readonly onRejected?: (rejected: RejectedDocument) => void
  readonly timing?: Partial<ListWatchTiming & { readonly settleMs: number }>
}

interface ConfigMapText {
  readonly resourceVersion: string
  readonly text: string | undefined
}

type RawConfigMap = KubeObject & { readonly data?: Readonly<Record<string, string>> }

type InForce<T> = AcceptedText & { readonly value: T }

/**
 * A reader may have seen a newer valid document than the kept one. It waits this long for the writer to keep that, and
 * then goes back to what the other replicas have. A writer that is up needs some milliseconds.
 */
const defaultSettleMs = 5_000

export function createDocumentWatch<T>(options: DocumentWatchOptions<T>): DocumentWatch<T> {
  const { clients, namespace, name, key, logger } = options
  const settleMs = options.timing?.settleMs ?? defaultSettleMs
  const document = `${namespace}/${name}`
  const listeners = new Set<(document: T) => void>()
  let inForce: InForce<T> | undefined
  let status: DocumentStatus = { seen: undefined, applied: undefined, problems: undefined }
  let present = false
  let settling: NodeJS.Timeout | undefined

  const guard = (call: () => void): void => {
    try {
      call()
    } catch (error) {
      logger.error({ err: error, document }, 'a listener of a document failed')
    }
  }

  const check = (text: string): Checked<T> => {
    try {
      return options.check(text)
    } catch (error) {
      return { ok: false, problems: [`cannot be checked: ${String(error)}`] }
    }
  }

  const takeInForce = (next: InForce<T>): void => {
    const changed = inForce?.text !== next.text
    inForce = next
    status = { ...status, applied: next.resourceVersion }
    if (changed) for (const listener of listeners) guard(() => listener(next.value))
  }

  const accept = (text: string, value: T, resourceVersion: string): void => {
    status = { seen: resourceVersion, applied: resourceVersion, problems: undefined }
    logger.info({ document, resourceVersion }, 'the document is in force')
    takeInForce({ text, value, resourceVersion })
    settle()
  }

  const reject = (problems: readonly string[], resourceVersion?: string): void => {
    status = { seen: resourceVersion, applied: status.applied, problems }
    logger.warn(
      { document, resourceVersion, problems },
      'the document is not accepted; what was in force stays',
    )
    if (resourceVersion !== undefined) guard(() => options.onRejected?.({ resourceVersion, problems }))
    settle()
  }

  /** Brings what is in force and what is kept together, after a change of either. */
  const settle = (): void => {
    clearTimeout(settling)
    if (!accepted?.synced()) return
    const kept = accepted.current()
    if (options.accepted?.write && inForce && !isKept(kept, inForce)) accepted.keep(inForce)
    else if (kept && status.problems !== undefined && kept.text !== inForce?.text) {
      if (inForce === undefined || options.accepted?.write) takeKept()
      else settling = setTimeout(takeKept, settleMs).unref()
    }
  }

  const takeKept = (): void => {
    const kept = accepted?.current()
    if (kept === undefined) return
    const { text, resourceVersion } = kept
    const checked = check(text)
    if (checked.ok) {
      logger.info({ document, resourceVersion }, 'the last accepted document is in force again')
      takeInForce({ text, resourceVersion, value: checked.value })
    } else {
      logger.error(
        { document, problems: checked.problems },
        'the last accepted document is not valid any more',
      )
    }
  }

  const accepted: AcceptedDocument | undefined =
    options.accepted &&
    createAcceptedDocument({
      clients,
      namespace,
      name: options.accepted.name,
      key,
      logger,
      onChange: () => settle(),
      ...(options.timing && { timing: options.timing }),
    })

  const listWatch = createListWatch<RawConfigMap, ConfigMapText>({
    transport: clients.transport,
    path: apiPath({ resource: 'configmaps', namespace }),
    fieldSelector: `metadata.name=${name}`,
    keep: (raw) => ({ resourceVersion: raw.metadata?.resourceVersion ?? '', text: raw.data?.[key] }),
    onChange: ({ text, resourceVersion }, gone) => {
      present = !gone
      if (gone) {
        reject([`ConfigMap ${document} was deleted`])
      } else if (text === undefined) {
        reject([`ConfigMap ${document} has no key ${key}`], resourceVersion)
      } else {
        const checked = check(text)
        if (checked.ok) accept(text, checked.value, resourceVersion)
        else reject(checked.problems, resourceVersion)
      }
    },
    onListed: () => {
      if (!present && status.problems === undefined) reject([`ConfigMap ${document} does not exist`])
    },
    logger,
    ...(options.timing && { timing: options.timing }),
  })

  return {
    start() {
      listWatch.start()
      accepted?.start()
    },
    async stop() {
      clearTimeout(settling)
      await Promise.all([listWatch.stop(), accepted?.stop()])
      clearTimeout(settling)
    },
    synced: () =>
      listWatch.synced() &&
      (status.problems === undefined || inForce !== undefined || (accepted?.synced() ?? true)),
    staleSince: () => listWatch.staleSince(),
    current: () => inForce?.value,
    status: () => status,
    onChange(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
  }
}

import type { Logger } from 'pino'
import type { Checked } from '../domain/checked-document.ts'
import type { DocumentStatus, DocumentView } from '../domain/ports.ts'
import { type AcceptedDocument, createAcceptedDocument } from './accepted-document.ts'
import type { KubeTransport } from './kube-transport.ts'
import { createListWatch, type ListWatchTiming } from './list-watch.ts'
import type { KubeObject } from './watch-stream.ts'

/**
 * One key of one ConfigMap, watched. A valid change is in force at once; an invalid, missing or deleted one changes
 * nothing. The last accepted text is kept in a ConfigMap of its own and is taken from there at start when what is
 * there at present is not valid, so that a restart changes nothing either.
 */
export interface DocumentWatch<T> extends DocumentView<T> {
  start(): void
  stop(): Promise<void>
  /** True once it is known what is written, valid or not. */
  synced(): boolean
  staleSince(): number | undefined
}

export interface RejectedDocument {
  readonly resourceVersion: string
  readonly problems: readonly string[]
}

interface DocumentWatchOptions<T> {
  readonly transport: KubeTransport
  readonly namespace: string
  readonly name: string
  readonly key: string
  readonly check: (text: string) => Checked<T>
  /** Where the last accepted text is kept; `write` for the one role that may write it. */
  readonly accepted?: { readonly name: string; readonly write: boolean }
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Once per resourceVersion that was not accepted. */
  readonly onRejected?: (rejected: RejectedDocument) => void
  readonly timing?: Partial<ListWatchTiming>
}

interface ConfigMapText {
  readonly resourceVersion: string
  readonly text: string | undefined
}

type RawConfigMap = KubeObject & { readonly data?: Readonly<Record<string, string>> }

export function createDocumentWatch<T>(options: DocumentWatchOptions<T>): DocumentWatch<T> {
  const { transport, namespace, name, key, logger } = options
  const document = `${namespace}/${name}`
  const listeners = new Set<(document: T) => void>()
  let inForce: { readonly text: string; readonly value: T } | undefined
  let status: DocumentStatus = { seen: undefined, applied: undefined, problems: undefined }
  let present = false

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

  const takeInForce = (text: string, value: T): void => {
    const changed = inForce?.text !== text
    inForce = { text, value }
    if (changed) for (const listener of listeners) guard(() => listener(value))
  }

  const accept = (text: string, value: T, resourceVersion: string): void => {
    status = { seen: resourceVersion, applied: resourceVersion, problems: undefined }
    logger.info({ document, resourceVersion }, 'the document is in force')
    takeInForce(text, value)
    accepted?.keep({ text, resourceVersion })
  }

  const reject = (problems: readonly string[], resourceVersion?: string): void => {
    status = { seen: resourceVersion, applied: status.applied, problems }
    logger.warn(
      { document, resourceVersion, problems },
      'the document is not accepted; what was in force stays',
    )
    if (resourceVersion !== undefined) guard(() => options.onRejected?.({ resourceVersion, problems }))
    if (inForce === undefined) accepted?.restore()
  }

  const restored = (text: string, resourceVersion: string | undefined): void => {
    // Something valid was written while we read.
    if (inForce !== undefined) return
    const checked = check(text)
    if (checked.ok) {
      status = { ...status, applied: resourceVersion }
      logger.info({ document, resourceVersion }, 'the last accepted document is in force again')
      takeInForce(text, checked.value)
    } else {
      logger.error(
        { document, problems: checked.problems },
        'the last accepted document is not valid any more',
      )
    }
  }

  const accepted: AcceptedDocument | undefined =
    options.accepted &&
    createAcceptedDocument({ ...options.accepted, transport, namespace, key, logger, onRestored: restored })

  const listWatch = createListWatch<RawConfigMap, ConfigMapText>({
    transport,
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`,
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
    start: () => listWatch.start(),
    async stop() {
      await Promise.all([listWatch.stop(), accepted?.stop()])
    },
    synced: () => listWatch.synced(),
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

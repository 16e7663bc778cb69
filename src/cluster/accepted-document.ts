import type { Logger } from 'pino'
import { type Backoff, createBackoff } from '../timing/backoff.ts'
import { hasStatus } from './kube-api-error.ts'
import type { KubeTransport } from './kube-transport.ts'
import { createListWatch, type ListWatchTiming } from './list-watch.ts'
import { isNewer } from './resource-version.ts'
import type { KubeObject } from './watch-stream.ts'

/**
 * The ConfigMap that keeps the last accepted text of a document over restarts, watched; and, in the one role that writes
 * it, its writer. What is kept only ever goes forward: every replica of that role may write, and one that lags behind
 * takes nothing back. Nothing here ever blocks a caller.
 */
export interface AcceptedDocument {
  start(): void
  stop(): Promise<void>
  /** True once it is known what is kept. */
  synced(): boolean
  /** What is kept; undefined if there is nothing. */
  current(): AcceptedText | undefined
  /** Writes the text behind the caller's back, the newest only, until it or something newer is there. */
  keep(document: AcceptedText): void
}

export interface AcceptedText {
  readonly text: string
  /** Of the ConfigMap that people edit, when it held this text. */
  readonly resourceVersion: string
}

interface AcceptedDocumentOptions {
  readonly transport: KubeTransport
  readonly namespace: string
  readonly name: string
  readonly key: string
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** After the first list, and whenever what is kept has changed. */
  readonly onChange: () => void
  readonly timing?: Partial<ListWatchTiming>
}

type RawConfigMap = KubeObject & {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> }
  readonly data?: Readonly<Record<string, string>>
}

/** Which version of the edited ConfigMap was accepted. */
const sourceVersionAnnotation = 'greenroom.dev/source-resource-version'
/** Older than everything: what is kept without saying of what. */
const unknownVersion = '0'

/** Nobody waits for these writes, so they may be rare while the API server refuses them. */
const retry = { minMs: 500, maxMs: 30_000 } as const

export function createAcceptedDocument(options: AcceptedDocumentOptions): AcceptedDocument {
  const { transport, name, key, logger, onChange } = options
  const stopping = new AbortController()
  let kept: AcceptedText | undefined
  let newest: AcceptedText | undefined
  let writing: Promise<void> | undefined

  const listWatch = createListWatch<RawConfigMap, { readonly text: AcceptedText | undefined }>({
    transport,
    path: collectionOf(options),
    fieldSelector: `metadata.name=${name}`,
    keep: (raw) => ({ text: acceptedText(raw, key) }),
    onChange: ({ text }, gone) => {
      kept = gone ? undefined : text
      onChange()
    },
    onListed: onChange,
    logger,
    ...(options.timing && { timing: options.timing }),
  })

  const untilWritten = async (document: AcceptedText): Promise<void> => {
    const backoff: Backoff = createBackoff(retry)
    while (!stopping.signal.aborted && newest === document) {
      try {
        await replaceText(options, document)
        return
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        logger.warn({ configMap: name, reason }, 'cannot write the accepted document yet')
        await backoff.pause(stopping.signal)
      }
    }
  }

  const writeNewest = async (): Promise<void> => {
    while (newest !== undefined && !stopping.signal.aborted) {
      const document = newest
      await untilWritten(document)
      // A newer one that arrived meanwhile is written in the next round.
      if (newest === document) newest = undefined
    }
  }

  return {
    start: () => listWatch.start(),
    async stop() {
      stopping.abort()
      await Promise.all([listWatch.stop(), writing])
    },
    synced: () => listWatch.synced(),
    current: () => kept,
    keep(document) {
      if (stopping.signal.aborted) return
      newest = document
      writing ??= writeNewest().finally(() => {
        writing = undefined
      })
    },
  }
}

function acceptedText({ metadata, data }: RawConfigMap, key: string): AcceptedText | undefined {
  const text = data?.[key]
  if (text === undefined) return undefined
  const source = metadata?.annotations?.[sourceVersionAnnotation] ?? unknownVersion
  const own = metadata?.resourceVersion ?? unknownVersion
  // It was written after its source: a version that is not older comes from another cluster, with a restored backup.
  return { text, resourceVersion: isNewer(own, source) ? source : unknownVersion }
}

/** Compare-and-set; a conflict throws and the next attempt reads again. */
async function replaceText(options: AcceptedDocumentOptions, document: AcceptedText): Promise<void> {
  const { transport, key } = options
  const there = (await readConfigMap(options)) ?? (await makeConfigMap(options))
  const kept = acceptedText(there, key)
  if (isKept(kept, document)) return
  await transport.writeJson('PUT', pathOf(options), {
    ...there,
    metadata: {
      ...there.metadata,
      annotations: {
        ...there.metadata?.annotations,
        [sourceVersionAnnotation]: document.resourceVersion,
      },
    },
    data: { ...there.data, [key]: document.text },
  })
}

/** True for something newer as well; the same version with another text was not written by us. */
export function isKept(kept: AcceptedText | undefined, document: AcceptedText): boolean {
  if (kept === undefined) return false
  if (isNewer(kept.resourceVersion, document.resourceVersion)) return true
  return kept.resourceVersion === document.resourceVersion && kept.text === document.text
}

async function readConfigMap(options: AcceptedDocumentOptions): Promise<RawConfigMap | undefined> {
  try {
    return await options.transport.getJson<RawConfigMap>(pathOf(options))
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    throw error
  }
}

/**
 * Empty, by server-side apply: only that way can RBAC bind the right to create to this one name. Several may do it at
 * once, and to one that has its text meanwhile it does nothing: that text is another field manager's.
 */
async function makeConfigMap(options: AcceptedDocumentOptions): Promise<RawConfigMap> {
  const { transport, namespace, name } = options
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } }
  return transport.applyJson<RawConfigMap>(pathOf(options), object, 'greenroom-make')
}

function collectionOf({ namespace }: AcceptedDocumentOptions): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`
}

function pathOf(options: AcceptedDocumentOptions): string {
  return `${collectionOf(options)}/${encodeURIComponent(options.name)}`
}

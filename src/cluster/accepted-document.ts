import type { V1ConfigMap } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import { type Backoff, createBackoff } from './backoff.ts'
import { hasStatus } from './kube-api-error.ts'
import type { KubeTransport } from './kube-transport.ts'

/** The ConfigMap that keeps the last accepted text of a document over restarts. Nothing here ever blocks a caller. */
export interface AcceptedDocument {
  /** Writes the text behind the caller's back, the newest only, until it is there. No-op for a reader. */
  keep(document: AcceptedText): void
  /** Reads what was kept and hands it to `onRestored`; tries until there is an answer. One read at a time. */
  restore(): void
  stop(): Promise<void>
}

interface AcceptedText {
  readonly text: string
  /** Of the ConfigMap that people edit. */
  readonly resourceVersion: string
}

interface AcceptedDocumentOptions {
  readonly transport: KubeTransport
  readonly namespace: string
  readonly name: string
  readonly key: string
  readonly write: boolean
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly onRestored: (text: string, resourceVersion: string | undefined) => void
}

/** Which version of the edited ConfigMap was accepted: shown again after a restore. */
const sourceVersionAnnotation = 'greenroom.dev/source-resource-version'

/** Nobody waits for these writes, so they may be rare while the API server refuses them. */
const retry = { minMs: 500, maxMs: 30_000 } as const

export function createAcceptedDocument(options: AcceptedDocumentOptions): AcceptedDocument {
  const { name, write, logger } = options
  const stopping = new AbortController()
  let newest: AcceptedText | undefined
  let writing: Promise<void> | undefined
  let restoring: Promise<void> | undefined

  const untilDone = async (what: string, attempt: () => Promise<void>): Promise<void> => {
    const backoff: Backoff = createBackoff(retry)
    while (!stopping.signal.aborted) {
      try {
        await attempt()
        return
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        logger.warn({ configMap: name, reason }, `cannot ${what} the accepted document yet`)
        await backoff.pause(stopping.signal)
      }
    }
  }

  const writeNewest = async (): Promise<void> => {
    while (newest !== undefined && !stopping.signal.aborted) {
      await untilDone('write', async () => {
        const document = newest
        if (document === undefined) return
        await replaceText(options, document)
        // A newer one that arrived meanwhile is written in the next round.
        if (newest === document) newest = undefined
      })
    }
  }

  const readKept = async (): Promise<void> => {
    const kept = await readConfigMap(options)
    const text = kept?.data?.[options.key]
    if (text !== undefined) options.onRestored(text, kept?.metadata?.annotations?.[sourceVersionAnnotation])
  }

  return {
    keep(document) {
      if (!write || stopping.signal.aborted) return
      newest = document
      writing ??= writeNewest().finally(() => {
        writing = undefined
      })
    },
    restore() {
      if (stopping.signal.aborted) return
      restoring ??= untilDone('read', readKept).finally(() => {
        restoring = undefined
      })
    },
    async stop() {
      stopping.abort()
      await Promise.all([writing, restoring])
    },
  }
}

async function readConfigMap(options: AcceptedDocumentOptions): Promise<V1ConfigMap | undefined> {
  try {
    return await options.transport.getJson<V1ConfigMap>(pathOf(options))
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    throw error
  }
}

/** Compare-and-set; a conflict throws and the next attempt reads again. */
async function replaceText(options: AcceptedDocumentOptions, document: AcceptedText): Promise<void> {
  const { transport, namespace, name, key } = options
  const kept = await readConfigMap(options)
  if (kept?.data?.[key] === document.text) return
  const body: V1ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: Object.assign({ name, namespace }, kept?.metadata, {
      annotations: {
        ...kept?.metadata?.annotations,
        [sourceVersionAnnotation]: document.resourceVersion,
      },
    }),
    data: { ...kept?.data, [key]: document.text },
  }
  if (kept) await transport.writeJson('PUT', pathOf(options), body)
  else await transport.writeJson('POST', collectionOf(options), body)
}

function collectionOf({ namespace }: AcceptedDocumentOptions): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`
}

function pathOf(options: AcceptedDocumentOptions): string {
  return `${collectionOf(options)}/${encodeURIComponent(options.name)}`
}

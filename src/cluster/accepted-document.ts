import type { V1ConfigMap } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import { type Backoff, createBackoff } from '../timing/backoff.ts'
import { apiPath } from './api-path.ts'
import { unlessMissing } from './kube-api-error.ts'
import { asApply, type KubeClients } from './kube-clients.ts'
import { createListWatch, type ListWatchTiming } from './list-watch.ts'
import { isNewer } from './resource-version.ts'
import type { KubeObject } from './watch-stream.ts'

/**
 * The ConfigMap that keeps the last accepted text of a document over restarts. Every role watches it; one role writes it.
 * What is kept only ever goes forward: every replica of that role may write, and one that lags behind takes nothing back.
 * Nothing here blocks a caller.
 */
export interface AcceptedDocument {
  start(): void
  stop(): Promise<void>
  /** True once it is known what is kept. */
  synced(): boolean
  /** What is kept; undefined if there is nothing. */
  current(): AcceptedText | undefined
  /** Writes the newest text in the background, until it or something newer is there. */
  keep(document: AcceptedText): void
}

export interface AcceptedText {
  readonly text: string
  /** Of the ConfigMap that people edit, when it held this text. */
  readonly resourceVersion: string
}

export interface AcceptedDocumentClients extends Pick<KubeClients, 'transport'> {
  readonly core: Pick<
    KubeClients['core'],
    'readNamespacedConfigMap' | 'patchNamespacedConfigMap' | 'replaceNamespacedConfigMap'
  >
}

interface AcceptedDocumentOptions {
  readonly clients: AcceptedDocumentClients
  readonly namespace: string
  readonly name: string
  readonly key: string
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** After the first list, and whenever what is kept has changed. */
  readonly onChange: () => void
  readonly timing?: Partial<ListWatchTiming>
}

/** As a watch and as the typed client see it. */
type ConfigMapContent = KubeObject & {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> }
  readonly data?: Readonly<Record<string, string>>
}

/** Which version of the edited ConfigMap was accepted. */
const sourceVersionAnnotation = 'greenroom.dev/source-resource-version'
/** Older than every version: for a kept text that does not say which version it is. */
const unknownVersion = '0'

/** Nobody waits for these writes, so they may be rare while the API server refuses them. */
const retry = { minMs: 500, maxMs: 30_000 } as const

export function createAcceptedDocument(options: AcceptedDocumentOptions): AcceptedDocument {
  const { clients, namespace, name, key, logger, onChange } = options
  const stopping = new AbortController()
  let kept: AcceptedText | undefined
  let newest: AcceptedText | undefined
  let writing: Promise<void> | undefined

  const listWatch = createListWatch<ConfigMapContent, { readonly text: AcceptedText | undefined }>({
    transport: clients.transport,
    path: apiPath({ resource: 'configmaps', namespace }),
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

function acceptedText({ metadata, data }: ConfigMapContent, key: string): AcceptedText | undefined {
  const text = data?.[key]
  if (text === undefined) return undefined
  const source = metadata?.annotations?.[sourceVersionAnnotation] ?? unknownVersion
  const own = metadata?.resourceVersion ?? unknownVersion
  // It was written after its source. A source that is not older than it came from another cluster, in a restored backup.
  return { text, resourceVersion: isNewer(own, source) ? source : unknownVersion }
}

/** Compare-and-set: a conflict throws, and the next attempt reads again. */
async function replaceText(options: AcceptedDocumentOptions, document: AcceptedText): Promise<void> {
  const { namespace, name, key } = options
  const { core } = options.clients
  const there =
    (await unlessMissing(core.readNamespacedConfigMap({ name, namespace }))) ?? (await makeConfigMap(options))
  if (isKept(acceptedText(there, key), document)) return
  const annotations = { ...there.metadata?.annotations, [sourceVersionAnnotation]: document.resourceVersion }
  // What others put into it stays.
  const body: V1ConfigMap = Object.assign({}, there, {
    metadata: Object.assign({}, there.metadata, { annotations }),
    data: { ...there.data, [key]: document.text },
  })
  await core.replaceNamespacedConfigMap({ name, namespace, body })
}

/** True for something newer as well. The same version with another text was not written by us. */
export function isKept(kept: AcceptedText | undefined, document: AcceptedText): boolean {
  if (kept === undefined) return false
  if (isNewer(kept.resourceVersion, document.resourceVersion)) return true
  return kept.resourceVersion === document.resourceVersion && kept.text === document.text
}

/**
 * Empty, by server-side apply. Several replicas may do it at once. One that already has its text stays as it is, because
 * that text belongs to another field manager.
 */
function makeConfigMap({
  clients: { core },
  namespace,
  name,
}: AcceptedDocumentOptions): Promise<V1ConfigMap> {
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } }
  const fieldManager = 'greenroom-make'
  return core.patchNamespacedConfigMap({ name, namespace, body, fieldManager, force: true }, asApply)
}

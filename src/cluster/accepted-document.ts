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
  /** What the writer refused last, although its text is valid; undefined if nothing. */
  refused(): RefusedVersion | undefined
  /** Writes the newest text in the background, until it or something newer is there. */
  keep(document: AcceptedText): void
  /** Writes beside the text, in the background, that this version is refused, so that every reader refuses it too. */
  refuse(version: RefusedVersion): void
}

/** A version of the ConfigMap that people edit. */
export interface RefusedVersion {
  readonly resourceVersion: string
  readonly problems: readonly string[]
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
/** A RefusedVersion as JSON. */
const refusedAnnotation = 'greenroom.dev/refused'
/** Older than every version: for a kept text that does not say which version it is. */
const unknownVersion = '0'

/** Nobody waits for these writes, so they may be rare while the API server refuses them. */
const retry = { minMs: 500, maxMs: 30_000 } as const

export function createAcceptedDocument(options: AcceptedDocumentOptions): AcceptedDocument {
  const { clients, namespace, name, key, logger, onChange } = options
  const stopping = new AbortController()
  let kept: AcceptedText | undefined
  let refused: RefusedVersion | undefined
  let newest: Wish | undefined
  let writing: Promise<void> | undefined

  const listWatch = createListWatch<ConfigMapContent, KeptContent>({
    transport: clients.transport,
    path: apiPath({ resource: 'configmaps', namespace }),
    fieldSelector: `metadata.name=${name}`,
    keep: (raw) => ({ text: acceptedText(raw, key), refused: refusedVersion(raw) }),
    onChange: (content, gone) => {
      kept = gone ? undefined : content.text
      refused = gone ? undefined : content.refused
      onChange()
    },
    onListed: onChange,
    logger,
    ...(options.timing && { timing: options.timing }),
  })

  const untilWritten = async (wish: Wish): Promise<void> => {
    const backoff: Backoff = createBackoff(retry)
    while (!stopping.signal.aborted && newest === wish) {
      try {
        await fulfil(options, wish)
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
      const wish = newest
      await untilWritten(wish)
      // A newer one that arrived meanwhile is written in the next round.
      if (newest === wish) newest = undefined
    }
  }

  const write = (wish: Wish): void => {
    if (stopping.signal.aborted) return
    newest = wish
    writing ??= writeNewest().finally(() => {
      writing = undefined
    })
  }

  return {
    start: () => listWatch.start(),
    async stop() {
      stopping.abort()
      await Promise.all([listWatch.stop(), writing])
    },
    synced: () => listWatch.synced(),
    current: () => kept,
    refused: () => refused,
    keep: (document) => write({ keep: document }),
    refuse: (version) => write({ refuse: version }),
  }
}

type Wish = { readonly keep: AcceptedText } | { readonly refuse: RefusedVersion }

interface KeptContent {
  readonly text: AcceptedText | undefined
  readonly refused: RefusedVersion | undefined
}

function refusedVersion({ metadata }: ConfigMapContent): RefusedVersion | undefined {
  const text = metadata?.annotations?.[refusedAnnotation]
  if (text === undefined) return undefined
  try {
    const { resourceVersion, problems } = JSON.parse(text) as Partial<RefusedVersion>
    return resourceVersion === undefined || !Array.isArray(problems)
      ? undefined
      : { resourceVersion, problems: problems.map(String) }
  } catch {
    // Somebody else wrote it. It refuses nothing.
    return undefined
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
async function fulfil(options: AcceptedDocumentOptions, wish: Wish): Promise<void> {
  const { namespace, name, key } = options
  const { core } = options.clients
  const there =
    (await unlessMissing(core.readNamespacedConfigMap({ name, namespace }))) ?? (await makeConfigMap(options))
  const kept = acceptedText(there, key)
  const { [refusedAnnotation]: _refused, ...others } = there.metadata?.annotations ?? {}
  if ('keep' in wish ? isKept(kept, wish.keep) : isSettled(there, kept, wish.refuse)) return
  const annotations =
    'keep' in wish
      ? { ...others, [sourceVersionAnnotation]: wish.keep.resourceVersion }
      : { ...others, [refusedAnnotation]: JSON.stringify(wish.refuse) }
  // What others put into it stays.
  const body: V1ConfigMap = Object.assign({}, there, {
    metadata: Object.assign({}, there.metadata, { annotations }),
    data: 'keep' in wish ? { ...there.data, [key]: wish.keep.text } : there.data,
  })
  await core.replaceNamespacedConfigMap({ name, namespace, body })
}

/** Refused already with the same words, or something newer was accepted meanwhile. */
function isSettled(there: V1ConfigMap, kept: AcceptedText | undefined, version: RefusedVersion): boolean {
  if (kept && isNewer(kept.resourceVersion, version.resourceVersion)) return true
  return there.metadata?.annotations?.[refusedAnnotation] === JSON.stringify(version)
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

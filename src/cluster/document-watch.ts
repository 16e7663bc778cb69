import type { Logger } from 'pino'
import type { Checked } from '../domain/checked-document.ts'
import type { DocumentView } from '../domain/cluster-ports.ts'
import type { DocumentStatus } from '../domain/document-status.ts'
import {
  type AcceptedDocument,
  type AcceptedDocumentClients,
  type AcceptedText,
  createAcceptedDocument,
  isKept,
  type RefusedVersion,
} from './accepted-document.ts'
import { apiPath } from './api-path.ts'
import { createDocumentExamination, type DocumentExaminer } from './document-examination.ts'
import { createListWatch, type ListWatchTiming } from './list-watch.ts'
import type { KubeObject } from './watch-stream.ts'

/**
 * One key of one ConfigMap, watched. A valid document is in force at once; with an examiner, once that has nothing against
 * it. An invalid, refused, missing or deleted one changes nothing. The last accepted text is kept in a ConfigMap of its own. While what people wrote is not valid, every replica
 * uses the kept text. So a restart changes nothing, and replicas that missed different versions agree again
 * (docs/adr/0015).
 */
export interface DocumentWatch<T> extends DocumentView<T> {
  start(): void
  stop(): Promise<void>
  /** True once it is known what is in force: the written text or, while that is not valid, the kept one. */
  synced(): boolean
  /** True if a document was ever accepted, as far as is known; one that is not valid any more counts. */
  wasAccepted(): boolean
  staleSince(): number | undefined
  /** The ConfigMap that people edit, as it was seen last: what Events are about. */
  subject(): DocumentSubject
  /**
   * Looks again: this process decides from now on, or what a refusal rested on has changed. Resolves when it is known what
   * is in force.
   */
  reconsider(): Promise<void>
}

interface DocumentSubject {
  readonly kind: 'ConfigMap'
  readonly name: string
  readonly uid?: string
  readonly resourceVersion?: string
}

export interface DocumentWatchOptions<T> {
  readonly clients: AcceptedDocumentClients
  readonly namespace: string
  readonly name: string
  readonly key: string
  readonly check: (text: string) => Checked<T>
  /** Where the last accepted text is kept; `write` for the one role that may write it. */
  readonly accepted?: { readonly name: string; readonly write: boolean }
  readonly examiner?: DocumentExaminer<T>
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Once per resourceVersion that was not accepted. */
  readonly onRejected?: (rejected: RefusedVersion) => void
  readonly timing?: Partial<ListWatchTiming & { readonly settleMs: number }>
}

interface ConfigMapText {
  readonly uid: string | undefined
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
  let subject: DocumentSubject = { kind: 'ConfigMap', name }
  /** The valid text that people wrote last; undefined while what they wrote is not valid. */
  let written: InForce<T> | undefined
  const keptIsKnown = Promise.withResolvers<void>()
  const examination = options.examiner && createDocumentExamination(options.examiner)

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

  const accept = (taken: InForce<T>): void => {
    const { resourceVersion } = taken
    const isNews = status.applied !== resourceVersion || status.problems !== undefined
    status = { seen: resourceVersion, applied: resourceVersion, problems: undefined }
    if (isNews) logger.info({ document, resourceVersion }, 'the document is in force')
    takeInForce(taken)
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

  /** A refused version may be in force here, because it was taken before it was refused. */
  const refuse = (problems: readonly string[], { text, resourceVersion }: InForce<T>): void => {
    const isKnown = status.seen === resourceVersion && isSame(status.problems, problems)
    if (inForce?.text === text) {
      inForce = undefined
      status = { ...status, applied: undefined }
    }
    if (isKnown) settle()
    else reject(problems, resourceVersion)
    takeKept()
  }

  /** Whether this process writes what is kept. */
  const keeps = (): boolean => options.accepted?.write === true && (examination?.decides() ?? true)

  /** Decides about the valid text that was written last. */
  const consider = (): void => {
    const candidate = written
    if (!candidate) return
    const refused = accepted?.refused()
    if (examination?.decides()) decide(candidate, examination)
    else if (examination && refused?.resourceVersion === candidate.resourceVersion)
      refuse(refused.problems, candidate)
    else accept(candidate)
  }

  const decide = (candidate: InForce<T>, by: NonNullable<typeof examination>): void => {
    // What is kept was examined when it was taken. Until it is known, nothing can be compared with it.
    if (!accepted?.synced()) return
    if (accepted.current()?.text === candidate.text) by.pass(candidate)
    const problems = by.problemsOf(candidate)
    if (problems === undefined) by.begin(candidate, consider)
    else if (problems.length === 0) {
      by.pass(candidate)
      accept(candidate)
    } else {
      refuse(problems, candidate)
      const { resourceVersion } = candidate
      const told = accepted.refused()
      if (told?.resourceVersion !== resourceVersion || !isSame(told.problems, problems))
        accepted.refuse({ resourceVersion, problems })
    }
  }

  const keptDocument = (): InForce<T> | undefined => {
    const kept = accepted?.current()
    if (kept === undefined) return undefined
    const checked = check(kept.text)
    return checked.ok ? { ...kept, value: checked.value } : undefined
  }

  /** Brings what is in force and what is kept together, after a change of either. */
  const settle = (): void => {
    clearTimeout(settling)
    if (!accepted?.synced()) return
    const kept = accepted.current()
    const mayKeep = keeps() && inForce && (examination?.hasPassed(inForce) ?? true)
    if (mayKeep && inForce && !isKept(kept, inForce)) accepted.keep(inForce)
    else if (kept && status.problems !== undefined && kept.text !== inForce?.text) {
      if (inForce === undefined || keeps()) takeKept()
      else settling = setTimeout(takeKept, settleMs).unref()
    }
  }

  const takeKept = (): void => {
    const kept = accepted?.current()
    if (kept === undefined || kept.text === inForce?.text) return
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
      onChange: () => {
        keptIsKnown.resolve()
        settle()
        if (examination) consider()
      },
      ...(options.timing && { timing: options.timing }),
    })

  const listWatch = createListWatch<RawConfigMap, ConfigMapText>({
    transport: clients.transport,
    path: apiPath({ resource: 'configmaps', namespace }),
    fieldSelector: `metadata.name=${name}`,
    keep: ({ metadata, data }) => ({
      uid: metadata?.uid,
      resourceVersion: metadata?.resourceVersion ?? '',
      text: data?.[key],
    }),
    onChange: ({ uid, text, resourceVersion }, gone) => {
      present = !gone
      subject = { ...subject, resourceVersion, ...(uid !== undefined && { uid }) }
      written = undefined
      if (gone) {
        reject([`ConfigMap ${document} was deleted`])
      } else if (text === undefined) {
        reject([`ConfigMap ${document} has no key ${key}`], resourceVersion)
      } else {
        const checked = check(text)
        if (checked.ok) {
          written = { text, value: checked.value, resourceVersion }
          consider()
        } else reject(checked.problems, resourceVersion)
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
      keptIsKnown.resolve()
      await Promise.all([listWatch.stop(), accepted?.stop()])
      clearTimeout(settling)
    },
    synced: () =>
      listWatch.synced() &&
      (status.problems === undefined || inForce !== undefined || (accepted?.synced() ?? true)),
    wasAccepted: () => inForce !== undefined || accepted?.current() !== undefined,
    staleSince: () => listWatch.staleSince(),
    subject: () => subject,
    async reconsider() {
      await keptIsKnown.promise
      examination?.beginAgain(keptDocument())
      consider()
      await examination?.settled()
    },
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

function isSame(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((problem, index) => problem === b[index])
}

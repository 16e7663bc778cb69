import { StringDecoder } from 'node:string_decoder'
import { KubeApiError } from './kube-api-error.ts'
import type { KubeTransport } from './kube-transport.ts'

/** What lists and watches have in common with every Kubernetes object, as it is on the wire (times are strings). */
export interface KubeObject {
  readonly metadata?: {
    readonly uid?: string
    readonly name?: string
    readonly resourceVersion?: string
  }
}

const objectEventTypes = ['ADDED', 'MODIFIED', 'DELETED'] as const
type ObjectEventType = (typeof objectEventTypes)[number]

export type WatchEvent<T> =
  | { readonly type: ObjectEventType; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }

interface WatchStreamOptions<T> {
  readonly transport: KubeTransport
  readonly path: string
  readonly signal: AbortSignal
  /** Silence after which the connection counts as half-open. */
  readonly silenceMs: number
  /** The server accepted the watch. */
  readonly onOpen: () => void
  readonly onEvent: (event: WatchEvent<T>) => void
}

/** An ERROR event, or a line that the protocol does not know. Events may be missing, so a new list is needed. */
export class WatchBrokenError extends Error {
  /** The resourceVersion is too old. Nothing is wrong with the server: list at once. */
  readonly expired: boolean

  constructor(message: string, { expired = false } = {}) {
    super(message)
    this.name = 'WatchBrokenError'
    this.expired = expired
  }
}

/** An object is at most 1.5 MiB in etcd; a longer line is not an event. */
const maxLineChars = 8 * 1024 * 1024

/**
 * One watch request. Resolves when the server closes it in order; throws KubeApiError (refused, cut, silent) or
 * WatchBrokenError (events may be missing).
 */
export async function readWatchStream<T>(options: WatchStreamOptions<T>): Promise<void> {
  const { transport, path, signal, silenceMs, onOpen, onEvent } = options
  const stream = await transport.openStream(path, signal)
  const silence = new Error(`the watch was silent for ${silenceMs} ms`)
  const timer = setTimeout(() => stream.destroy(silence), silenceMs)
  const decoder = new StringDecoder('utf8')
  let rest = ''
  try {
    onOpen()
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      timer.refresh()
      const lines = (rest + decoder.write(chunk)).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > maxLineChars) throw new WatchBrokenError('the watch sent a line without end')
      for (const line of lines) if (line !== '') onEvent(eventFrom<T>(line))
    }
    if (rest !== '') throw new KubeApiError('the watch was cut within an event')
  } catch (error) {
    if (error instanceof WatchBrokenError || error instanceof KubeApiError) throw error
    throw new KubeApiError(`the watch was cut: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  } finally {
    clearTimeout(timer)
    stream.destroy()
  }
}

const goneStatus = 410

function eventFrom<T>(line: string): WatchEvent<T> {
  let raw: { type?: string; object?: KubeObject & { code?: number; message?: string } }
  try {
    raw = JSON.parse(line)
  } catch {
    throw new WatchBrokenError('the watch sent a line that is not JSON')
  }
  const { type, object } = raw
  if (type === 'ERROR') {
    throw new WatchBrokenError(object?.message ?? 'the watch ended with an error', {
      expired: object?.code === goneStatus,
    })
  }
  const resourceVersion = object?.metadata?.resourceVersion
  if (resourceVersion === undefined) throw new WatchBrokenError('the watch sent an event without a version')
  if (type === 'BOOKMARK') return { type, resourceVersion }
  const known = objectEventTypes.find((name) => name === type)
  if (known === undefined) throw new WatchBrokenError(`the watch sent an event of unknown type ${type}`)
  return { type: known, object: object as T }
}

import { pause } from '../../src/timing/pause.ts'
import { type KubeApi, KubeApiError } from './kube-api.ts'

interface WatchedObject {
  readonly metadata?: { readonly uid?: string; readonly resourceVersion?: string }
}

export interface WatchHandlers<T extends WatchedObject> {
  readonly path: string
  /** Query parameters such as `fieldSelector=…`, encoded. */
  readonly query?: string
  onObject(object: T): void
  onGone(object: T): void
  /** A list or a watch failed; `listAndWatch` tries again. */
  onError(error: unknown): void
}

interface List<T> {
  readonly metadata: { readonly resourceVersion: string }
  readonly items: readonly T[]
}
interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: T
}

/** The server ends a watch after this time. The next watch goes on from the same version. */
const watchSeconds = 290
const firstRetryMs = 50
const longestRetryMs = 2_000

/**
 * Lists and watches until the signal comes, whatever happens to the connection. After a gap it lists again, and reports
 * objects that have disappeared as gone. Resolves after the signal.
 */
export async function listAndWatch<T extends WatchedObject>(
  api: KubeApi,
  handlers: WatchHandlers<T>,
  signal: AbortSignal,
): Promise<void> {
  const known = new Map<string, T>()
  let version: string | undefined
  let retryMs = firstRetryMs
  const query = handlers.query ? `&${handlers.query}` : ''

  async function list(): Promise<string> {
    const found = await api.get<List<T>>(`${handlers.path}?limit=0${query}`)
    if (!found) throw new Error(`nothing to watch at ${handlers.path}`)
    const listed = new Set(found.items.map((item) => item.metadata?.uid))
    for (const [uid, object] of known) {
      if (listed.has(uid)) continue
      known.delete(uid)
      handlers.onGone(object)
    }
    for (const item of found.items) note(item)
    return found.metadata.resourceVersion
  }

  function note(object: T): void {
    if (object.metadata?.uid) known.set(object.metadata.uid, object)
    handlers.onObject(object)
  }

  function onEvent(event: WatchEvent<T>): void {
    if (event.type === 'ERROR')
      throw new KubeApiError(`watch of ${handlers.path}`, 410, JSON.stringify(event.object))
    version = event.object.metadata?.resourceVersion ?? version
    if (event.type === 'DELETED') {
      known.delete(event.object.metadata?.uid ?? '')
      handlers.onGone(event.object)
    } else if (event.type !== 'BOOKMARK') note(event.object)
  }

  while (!signal.aborted) {
    try {
      version ??= await list()
      const watch = `watch=true&allowWatchBookmarks=true&timeoutSeconds=${watchSeconds}&resourceVersion=${version}`
      await api.stream(`${handlers.path}?${watch}${query}`, signal, (event) => {
        retryMs = firstRetryMs
        onEvent(event as WatchEvent<T>)
      })
    } catch (error) {
      if (signal.aborted) return
      // The version is too old, or the stream reported an error: list again.
      if (error instanceof KubeApiError) version = undefined
      handlers.onError(error)
      await pause(retryMs, signal)
      retryMs = Math.min(retryMs * 2, longestRetryMs)
    }
  }
}

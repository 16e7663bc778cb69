import type { Logger } from 'pino'
import { createBackoff } from '../timing/backoff.ts'
import { hasStatus, KubeApiError } from './kube-api-error.ts'
import type { KubeTransport } from './kube-transport.ts'
import { listPages, selectorQuery } from './list-pages.ts'
import { isNewer } from './resource-version.ts'
import { type KubeObject, readWatchStream, WatchBrokenError, type WatchEvent } from './watch-stream.ts'

/**
 * A supervised list + watch; docs/adr/0008 says why it is not the informer of client-node. One loop does everything, so
 * list and watch never overlap:
 *
 *   list (pages) → watch from its version for 30 s → watch on from the last version … → list again every 10 minutes
 *
 * After a cut, refused or silent connection it resumes from the last version. After an ERROR event (410 included), an
 * unreadable line or a refusal of the version it lists again. While nothing works, what was kept stays, and
 * `staleSince()` says since when.
 */
interface ListWatch<T> {
  start(): void
  /** Resolves when no timer, socket or handler of this list + watch is left. */
  stop(): Promise<void>
  /** True once the first list is complete; never false again. */
  synced(): boolean
  /** Last contact, if there is none at present; undefined while the watch is healthy. */
  staleSince(): number | undefined
  get(uid: string): T | undefined
  counters(): ListWatchCounters
}

export interface ListWatchCounters {
  readonly lists: number
  readonly watches: number
  readonly failures: number
  readonly handlerErrors: number
}

export interface ListWatchOptions<Raw extends KubeObject, T> {
  readonly transport: KubeTransport
  /** Of the collection. */
  readonly path: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** What to keep of an object; undefined if nothing, as if it were not there. Runs page by page. */
  readonly keep: (raw: Raw) => T | undefined
  /**
   * The new state, or the last one with `gone` true. Calls for one object come in order, and it goes exactly once. With
   * `absent` no event told of its end: a list lacks it. A restored backup or a server's mistake looks the same.
   */
  readonly onChange: (object: T, gone: boolean, absent: boolean) => void
  /** After every complete list, the first included. */
  readonly onListed?: () => void
  /** Once per outage, with the sentence of its first failure. */
  readonly onStale?: (reason: string) => void
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly now?: () => number
  readonly timing?: Partial<ListWatchTiming>
}

export interface ListWatchTiming {
  /** A new list makes up for missed events after this time and at most a tenth more. */
  readonly relistMs: number
  /** The server ends each watch in order after this time; it sends a bookmark two seconds before. */
  readonly watchSeconds: number
  /** Added to watchSeconds. Longer silence means a half-open connection, so that one is noticed within 35 s. */
  readonly silenceGraceMs: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
}

const defaultTiming: ListWatchTiming = {
  relistMs: 600_000,
  watchSeconds: 30,
  silenceGraceMs: 5_000,
  backoffMinMs: 250,
  backoffMaxMs: 10_000,
}

/**
 * A list may lack more than this of what was known by a mistake of the server, and every reader of the view would act on
 * it. Such a list is read once more before it is believed, and again 30 s after that.
 */
const believedShare = 0.1
const believedCount = 5
const relistSoonMs = 30_000

/** A watch that ends sooner than this without an event did not work, even without an error. */
const shortWatchMs = 1_000

export function createListWatch<Raw extends KubeObject, T>(options: ListWatchOptions<Raw, T>): ListWatch<T> {
  const { transport, path, logger, now = Date.now } = options
  const timing = { ...defaultTiming, ...options.timing }
  const kept = new Map<string, Kept<T>>()
  const counters = { lists: 0, watches: 0, failures: 0, handlerErrors: 0 }
  const stopping = new AbortController()
  let running: Promise<void> | undefined
  let version: string | undefined
  let nextListAt = 0
  let synced = false
  let lastContact = 0
  let stale = false
  /** The last contact ended an absence, and nothing has failed since. */
  let isBack = false
  const backoff = createBackoff({ minMs: timing.backoffMinMs, maxMs: timing.backoffMaxMs })

  const guard = (what: string, call: () => void): void => {
    try {
      call()
    } catch (error) {
      counters.handlerErrors += 1
      logger.error({ err: error, path }, `the ${what} handler of a watch failed`)
    }
  }

  const put = (uid: string, next: Kept<T> | undefined, absent = false): void => {
    const before = kept.get(uid)
    if (next !== undefined) {
      if (before?.version === next.version) return
      kept.set(uid, next)
      guard('change', () => options.onChange(next.object, false, false))
    } else if (before !== undefined) {
      kept.delete(uid)
      guard('change', () => options.onChange(before.object, true, absent))
    }
  }

  /** The event carries the last state. That one may say why the object went. */
  const remove = (uid: string, raw: Raw): void => {
    const before = kept.get(uid)
    const last = before && keepRaw(raw)
    if (last) kept.set(uid, last)
    put(uid, undefined)
  }

  const keepRaw = (raw: Raw): Kept<T> | undefined => {
    let object: T | undefined
    guard('keep', () => {
      object = options.keep(raw)
    })
    const objectVersion = raw.metadata?.resourceVersion
    return object === undefined || objectVersion === undefined
      ? undefined
      : { object, version: objectVersion }
  }

  const contact = (): void => {
    lastContact = now()
    if (!stale) return
    logger.info({ path }, 'the watch is healthy again')
    stale = false
    isBack = true
  }

  const list = async (): Promise<void> => {
    let { objects, resourceVersion } = await readList()
    const doubtful = lacksMany(objects)
    if (doubtful) {
      logger.warn(
        { path, known: kept.size, listed: objects.size },
        'a list lacks many objects; it is read once more',
      )
      ;({ objects, resourceVersion } = await readList())
    }
    contact()
    for (const uid of kept.keys()) if (!objects.has(uid)) put(uid, undefined, true)
    for (const [uid, object] of objects) put(uid, object)
    version = resourceVersion
    const relistMs = doubtful ? Math.min(relistSoonMs, timing.relistMs) : timing.relistMs
    nextListAt = now() + relistMs * (1 + Math.random() / 10)
    synced = true
    guard('listed', () => options.onListed?.())
  }

  const lacksMany = (objects: ReadonlyMap<string, unknown>): boolean => {
    let lacking = 0
    for (const uid of kept.keys()) if (!objects.has(uid)) lacking += 1
    return lacking > Math.max(believedCount, kept.size * believedShare)
  }

  const readList = async (): Promise<{ objects: Map<string, Kept<T>>; resourceVersion: string }> => {
    counters.lists += 1
    const objects = new Map<string, Kept<T>>()
    let resourceVersion: string | undefined
    for await (const page of listPages<Raw>({ ...options, signal: stopping.signal })) {
      for (const raw of page.items) {
        const object = keepRaw(raw)
        if (object !== undefined && raw.metadata?.uid) objects.set(raw.metadata.uid, object)
      }
      resourceVersion = page.resourceVersion
    }
    if (!resourceVersion) throw new KubeApiError('the list has no resourceVersion')
    return { objects, resourceVersion }
  }

  const apply = (event: WatchEvent<Raw>): void => {
    contact()
    if (event.type === 'BOOKMARK') {
      version = event.resourceVersion
      return
    }
    const { uid, resourceVersion } = event.object.metadata ?? {}
    if (uid === undefined || resourceVersion === undefined) return
    // A watch is ordered by version. A duplicate or late event would bring back what is gone.
    if (version !== undefined && !isNewer(resourceVersion, version)) return
    if (event.type === 'DELETED') remove(uid, event.object)
    else put(uid, keepRaw(event.object))
    version = resourceVersion
  }

  /** False if the watch ended so soon that it cannot have worked. */
  const watch = async (from: string): Promise<boolean> => {
    counters.watches += 1
    const query = new URLSearchParams({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(timing.watchSeconds),
      ...selectorQuery(options),
    })
    const openedAt = now()
    let events = 0
    await readWatchStream<Raw>({
      transport,
      path: `${path}?${query.toString()}`,
      signal: stopping.signal,
      silenceMs: timing.watchSeconds * 1000 + timing.silenceGraceMs,
      onOpen: contact,
      onEvent: (event) => {
        events += 1
        backoff.reset()
        apply(event)
      },
    })
    contact()
    return events > 0 || now() - openedAt >= Math.min(shortWatchMs, timing.watchSeconds * 1000)
  }

  /** One list or one watch. Throws what went wrong. */
  const step = async (): Promise<void> => {
    if (version === undefined || now() >= nextListAt) {
      await list()
    } else if (await watch(version)) {
      backoff.reset()
    } else {
      throw new KubeApiError('the watch ended at once')
    }
  }

  const fail = async (error: unknown): Promise<void> => {
    counters.failures += 1
    const reason = error instanceof Error ? error.message : String(error)
    const expired = hasStatus(error, 410) || (error instanceof WatchBrokenError && error.expired)
    // After a refusal or a broken stream the version may be wrong. After a cut or no answer we resume from it.
    if (error instanceof WatchBrokenError || (error instanceof KubeApiError && error.status !== undefined))
      version = undefined
    // A server that comes back often says so first: its cache does not have our version. The pause that grew while it was
    // away (10 s at most) is over then. Once for each absence, so that a server that always answers so is not hurried.
    if (expired && isBack) backoff.reset()
    isBack = false
    if (!stale && !expired) {
      stale = true
      logger.warn({ path, reason }, 'the watch lost contact; what is known stays')
      guard('stale', () => options.onStale?.(reason))
    }
    await backoff.pause(stopping.signal)
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await step()
      } catch (error) {
        if (!stopping.signal.aborted) await fail(error)
      }
    }
  }

  return {
    start() {
      running ??= run()
    },
    async stop() {
      stopping.abort()
      await running
    },
    synced: () => synced,
    staleSince: () => (stale ? lastContact : undefined),
    get: (uid) => kept.get(uid)?.object,
    counters: () => ({ ...counters }),
  }
}

interface Kept<T> {
  readonly object: T
  readonly version: string
}

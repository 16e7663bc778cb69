import { createHash, randomBytes } from 'node:crypto'
import { V1MicroTime } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import { hasStatus } from './kube-api-error.ts'
import type { KubeClients } from './kube-clients.ts'

/** Kubernetes Events for people (`kubectl describe`, `kubectl events`). Best effort: callers never wait or fail. */
export interface EventRecorder {
  record(event: RecordedEvent): void
  /** Resolves when no write is under way; counts that were not yet written are lost. */
  stop(): Promise<void>
}

export interface RecordedEvent {
  readonly regarding: {
    readonly kind: string
    readonly name: string
    /** The recorder's own namespace if absent; the Event is written there. */
    readonly namespace?: string
    /** Without it `kubectl describe` of the object does not show the Event. */
    readonly uid?: string
    readonly resourceVersion?: string
    readonly apiVersion?: string
  }
  readonly type: 'Normal' | 'Warning'
  /** CamelCase, for machines: `PoolDocumentRejected`. */
  readonly reason: string
  /** What was done or tried: `Accept`. */
  readonly action: string
  /** For people. Occurrences with the same note are one Event with a count, so it holds no generated name. */
  readonly note: string
}

interface EventRecorderOptions {
  readonly clients: Pick<KubeClients, 'events'>
  readonly namespace: string
  /** Such as `greenroom.dev/controller`. */
  readonly component: string
  /** Which process. */
  readonly instance: string
  readonly logger: Pick<Logger, 'warn'>
  readonly now?: () => number
  /** Shortest time between two writes of one key. */
  readonly everyMs?: number
}

/** A person can use one write per key and minute, and the API server should not bear more. */
const writeEveryMs = 60_000

/** A series that was quiet for this long is over (client-go's value); the next occurrence is a new event. */
const seriesEndsMs = 6 * 60_000

/** Keys remembered, and so the most events written in a minute. Each event beyond it is dropped with a log line. */
const maxSeries = 200

/** Limits of events.k8s.io/v1. */
const maxNoteBytes = 1024
const maxFieldChars = 128

interface Series {
  readonly eventName: string
  count: number
  lastAt: number
  lastWriteAt: number
  timer: NodeJS.Timeout | undefined
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { clients, namespace, component, instance, logger, now = Date.now, everyMs = writeEveryMs } = options
  const series = new Map<string, Series>()
  const writing = new Set<Promise<void>>()
  let stopped = false

  const create = async (event: RecordedEvent, entry: Series): Promise<void> => {
    const at = event.regarding.namespace ?? namespace
    await clients.events.createNamespacedEvent({
      namespace: at,
      body: {
        metadata: { name: entry.eventName, namespace: at },
        eventTime: new V1MicroTime(entry.lastAt),
        reportingController: component,
        reportingInstance: instance.slice(0, maxFieldChars),
        type: event.type,
        reason: event.reason.slice(0, maxFieldChars),
        action: event.action.slice(0, maxFieldChars),
        note: shortened(event.note),
        regarding: { apiVersion: 'v1', ...event.regarding, namespace: at },
      },
    })
  }

  const update = async (event: RecordedEvent, entry: Series): Promise<void> => {
    const value = { count: entry.count, lastObservedTime: new V1MicroTime(entry.lastAt) }
    try {
      await clients.events.patchNamespacedEvent({
        name: entry.eventName,
        namespace: event.regarding.namespace ?? namespace,
        body: [{ op: 'add', path: '/series', value }],
      })
    } catch (error) {
      // Events live for an hour by default: the first of a long series may be gone, or was never written.
      if (!hasStatus(error, 404)) throw error
      await create(event, entry)
    }
  }

  const write = (event: RecordedEvent, entry: Series, how: typeof create): void => {
    entry.lastWriteAt = now()
    const task = how(event, entry)
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        logger.warn({ event: event.reason, reason }, 'a Kubernetes Event could not be written')
      })
      .finally(() => writing.delete(task))
    writing.add(task)
  }

  const repeat = (event: RecordedEvent, entry: Series): void => {
    entry.count += 1
    entry.lastAt = now()
    if (entry.timer !== undefined) return
    const waitMs = Math.max(0, entry.lastWriteAt + everyMs - now())
    // The last count of a burst is written too.
    entry.timer = setTimeout(() => {
      entry.timer = undefined
      write(event, entry, update)
    }, waitMs).unref()
  }

  const forgetOver = (): void => {
    for (const [key, entry] of series)
      if (entry.timer === undefined && now() - entry.lastAt >= seriesEndsMs) series.delete(key)
  }

  return {
    record(event) {
      if (stopped) return
      const key = keyOf(event)
      const known = series.get(key)
      if (known !== undefined && (known.timer !== undefined || now() - known.lastAt < seriesEndsMs)) {
        repeat(event, known)
        return
      }
      forgetOver()
      if (series.size >= maxSeries) {
        logger.warn({ event: event.reason }, 'too many different Kubernetes Events; this one is dropped')
        return
      }
      const eventName = `${event.regarding.name.slice(0, 200)}.${randomBytes(8).toString('hex')}`
      const entry: Series = { eventName, count: 1, lastAt: now(), lastWriteAt: 0, timer: undefined }
      series.set(key, entry)
      write(event, entry, create)
    },
    async stop() {
      stopped = true
      for (const entry of series.values()) clearTimeout(entry.timer)
      await Promise.all(writing)
    },
  }
}

function keyOf({ regarding, type, reason, action, note }: RecordedEvent): string {
  const parts = [
    regarding.kind,
    regarding.namespace,
    regarding.name,
    regarding.uid,
    type,
    reason,
    action,
    note,
  ]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64')
}

function shortened(note: string): string {
  const bytes = Buffer.from(note, 'utf8')
  // A character cut in half decodes to U+FFFD, which is longer: leave room for it.
  return bytes.length <= maxNoteBytes ? note : `${bytes.subarray(0, maxNoteBytes - 6).toString('utf8')}…`
}

import { type EventFacts, type EventFilter, passes } from '../domain/event.ts'
import type { EventLog, NumberedEvent } from '../domain/event-ports.ts'
import type { WakeBus } from '../domain/index-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { pause, startPause } from '../timing/pause.ts'

/**
 * The one reader of the event log in this replica. It gives committed events their numbers, reads them once, and hands each
 * to every listener that wants it. It begins at the newest events; older ones a follower reads itself (follow-events.ts).
 *
 * It looks when a wake-up says that something happened, and from time to time by itself. While nobody follows at any
 * replica it looks once a second, so that numbers cost claims nothing.
 */
interface EventFeedDeps {
  readonly log: Pick<EventLog, 'number' | 'read' | 'bounds'>
  readonly wakes: WakeBus
  readonly metrics: Metrics
  readonly logger: Logger
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Told of one event. The text is made once for all listeners. */
export interface EventListener {
  readonly filter: EventFilter
  /** The number up to which the listener has seen everything. */
  readonly after: number
  readonly hear: (event: HeardEvent) => void
}

export interface HeardEvent extends NumberedEvent {
  /** The event as JSON. */
  readonly json: string
}

/** Looks that follow wake-ups are at least this far apart: each numbers all events of that time in one transaction. */
const apartMs = 15
/** Wake-ups may be lost. */
const watchedPollMs = 250
const unwatchedPollMs = 1_000
/** Somebody else numbers, and may have begun before our event was there. */
const busyAgainMs = 10
/** How often a replica with listeners says so, and how long that is believed. */
const followingEveryMs = 1_000
const followingForMs = 3_500
const failedAgainMs = 500
/** Followers that come back after a replica died find their place here, without a query each. About 2 MiB. */
const keptEvents = 4_096

export function createEventFeed({ log, wakes, metrics, logger, now }: EventFeedDeps) {
  /** By what an event must name to be heard: its session, its project, or nothing. Most events concern few listeners. */
  const groups = new Map<string, Set<EventListener>>()
  /** The newest events, in order. */
  let kept: HeardEvent[] = []
  /** Everything after this number that this replica has read is in `kept`. */
  let keptAfter = 0
  /** Undefined until the first look. */
  let position: number | undefined
  let listeners = 0
  let lookedAt = Number.NEGATIVE_INFINITY
  let followedAt = Number.NEGATIVE_INFINITY
  let toldAt = Number.NEGATIVE_INFINITY
  let resting: ReturnType<typeof startPause> | undefined
  let isNudged = false

  const isFollowed = () => listeners > 0 || now() - followedAt < followingForMs

  /** Something happened that may be an event. */
  function nudge(): void {
    if (!isFollowed()) return
    isNudged = true
    resting?.end()
  }

  wakes.subscribe(({ kind }) => {
    if (kind === 'following') followedAt = now()
    else if (kind !== 'indexed' && kind !== 'missed') nudge()
  })

  function tell(event: HeardEvent): void {
    kept.push(event)
    if (kept.length > 2 * keptEvents) {
      kept = kept.slice(-keptEvents)
      keptAfter = (kept[0]?.number ?? 1) - 1
    }
    for (const group of groupsOf(event.event as EventFacts))
      for (const listener of groups.get(group) ?? []) hand(event, listener)
  }

  function hand(event: HeardEvent, { after, filter, hear }: EventListener): void {
    if (event.number <= after || !passes(event.event, filter)) return
    try {
      hear(event)
    } catch (error) {
      logger.error({ err: error }, 'a listener of events failed')
    }
  }

  /** Reads what has come since the last look. */
  async function readOn(): Promise<void> {
    for (;;) {
      const page = await log.read(position ?? 0)
      for (const numbered of page.events) {
        position = numbered.number
        tell({ ...numbered, json: JSON.stringify(numbered.event) })
      }
      position = page.through
      metrics.eventsRead.inc(page.events.length)
      if (!page.hasMore) return
    }
  }

  /** Returns when to look again although nothing wakes us, ms. */
  async function look(): Promise<number> {
    const numbering = await log.number()
    if (numbering === 'done' || numbering === 'more') wakes.publish({ kind: 'numbered' })
    if (position === undefined) {
      const { last } = await log.bounds()
      position = Math.max(0, last - keptEvents)
      keptAfter = position
    }
    await readOn()
    if (numbering === 'more') return 0
    if (numbering === 'busy') return busyAgainMs
    return isFollowed() ? watchedPollMs : unwatchedPollMs
  }

  function tellThatWeFollow(): void {
    if (listeners === 0 || now() - toldAt < followingEveryMs) return
    toldAt = now()
    wakes.publish({ kind: 'following' })
  }

  return {
    nudge,
    /** The number up to which this replica has read; undefined until it has read anything. */
    position: () => position,
    /** Whether everything after this number is kept here, so that `listen` needs no reading. */
    keeps: (after: number) => position !== undefined && after >= keptAfter && after <= position,
    /** The next events after this number that are kept here; undefined if it lies before what is kept. */
    keptAfter(after: number, most: number): readonly HeardEvent[] | undefined {
      if (position === undefined || after < keptAfter) return undefined
      const first = kept.findLastIndex(({ number }) => number <= after) + 1
      return kept.slice(first, first + most)
    },
    /**
     * Listens from a number on; what is kept since then is heard before this returns. Undefined if that number lies before
     * what is kept: the follower must read on first. The answer ends the listening.
     */
    listen(listener: EventListener): (() => void) | undefined {
      if (position === undefined || listener.after < keptAfter) return undefined
      const [key = ''] = groupsOf(listener.filter)
      const group = groups.get(key) ?? new Set()
      groups.set(key, group)
      const heard = kept.findLastIndex(({ number }) => number <= listener.after)
      for (const event of kept.slice(heard + 1)) hand(event, listener)
      group.add(listener)
      listeners += 1
      metrics.eventListeners.set(listeners)
      tellThatWeFollow()
      if (listeners === 1) resting?.end()
      return () => {
        if (!group.delete(listener)) return
        listeners -= 1
        metrics.eventListeners.set(listeners)
        if (group.size === 0 && groups.get(key) === group) groups.delete(key)
      }
    },
    /** Until the signal fires. */
    async run(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        await pause(lookedAt + apartMs - now(), signal)
        lookedAt = now()
        isNudged = false
        let againMs = failedAgainMs
        try {
          tellThatWeFollow()
          againMs = await look()
        } catch (error) {
          metrics.loopErrors.inc({ loop: 'events' })
          logger.warn({ err: error }, 'events could not be read; followers wait')
        }
        if (isNudged || againMs === 0) continue
        resting = startPause(againMs, signal)
        await resting.over
        resting = undefined
      }
    },
  }
}

export type EventFeed = ReturnType<typeof createEventFeed>

/** The narrowest first. A listener is in the first group of its filter, and hears events that are in it. */
function groupsOf({ sessionId, projectId }: Pick<EventFacts, 'sessionId' | 'projectId'>): string[] {
  return [
    ...(sessionId === undefined ? [] : [`session ${sessionId}`]),
    ...(projectId === undefined ? [] : [`project ${projectId}`]),
    'all',
  ]
}

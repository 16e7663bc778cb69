import { type EventFilter, isLast, passes } from '../domain/event.ts'
import type { EventLog } from '../domain/event-ports.ts'
import { GreenroomError } from '../errors.ts'
import type { EventFeed, HeardEvent } from './event-feed.ts'

/**
 * One follower: first what it has missed, read page by page, then what the feed of this replica hears. The change from one
 * to the other happens in one turn of the event loop, by number, so nothing is lost and nothing comes twice.
 */
interface FollowEventsDeps {
  readonly log: Pick<EventLog, 'read' | 'bounds'>
  readonly feed: Pick<EventFeed, 'listen' | 'position' | 'keeps' | 'keptAfter'>
}

/** Where events go: a stream to a caller. */
export interface EventSink {
  /** Aborted when the follower is gone or the stream is ended. */
  readonly signal: AbortSignal
  /** Never waits; a sink that is full ends itself. */
  event(event: HeardEvent): void
  /** The follower's number is not one of this log, or events after it are gone. The stream goes on after `after`. */
  reset(reason: 'future' | 'purged', after: number): void
  /** Resolves when the follower has taken nearly everything. */
  drained(): Promise<void>
  end(): void
}

/** A session whose events are followed. */
export interface FollowedSession {
  readonly id: string
  /** As its record says. */
  readonly isOver: boolean
}

export interface Following {
  readonly filter: EventFilter
  /** The last number that the follower has seen; undefined: it wants to hear what happens from now on. */
  readonly after: number | undefined
  /** Only this one, and the stream ends after its last event. */
  readonly session?: FollowedSession
}

/** Reads of the past in one replica at once. They share PostgreSQL's connections with claims. */
const readsAtOnce = 2
/** Of what the feed keeps, before the follower is waited for. */
const portion = 100

export function createFollowEvents({ log, feed }: FollowEventsDeps) {
  const takeTurn = createTurns(readsAtOnce)

  /** The number from which to go on, after telling the follower what it cannot have. */
  async function startOf({ after, session }: Following, sink: EventSink): Promise<number> {
    if (after === undefined) return place()
    // Zero is no place that was seen: it asks for everything that is kept.
    if (after === 0 || feed.keeps(after)) return after
    const { last, purged } = await log.bounds()
    if (after > last) {
      const again = session ? 0 : last
      sink.reset('future', again)
      return again
    }
    // The events of a session are kept as long as the session, so its follower has missed nothing.
    if (after < purged && !session) sink.reset('purged', after)
    return after
  }

  /** Sends one page of the past. Resolves with the place after it; undefined if the stream is over there. */
  async function sendPage(after: number, { filter, session }: Following, sink: EventSink) {
    const position = feed.position() ?? 0
    const { events, through, hasMore } = await takeTurn(() => log.read(after, filter))
    for (const numbered of events) sink.event({ ...numbered, json: JSON.stringify(numbered.event) })
    await sink.drained()
    const newest = events.at(-1)
    if (session && !hasMore && newest && isLast(newest.event)) return undefined
    // What the feed had read before the last page was asked for is in that page.
    return hasMore ? through : Math.max(through, position)
  }

  /**
   * Sends what the feed keeps, in portions, to a follower that is behind: all of it at once would be more than may wait for
   * a sink. Resolves with the place after it.
   */
  async function sendKept(after: number, { filter, session }: Following, sink: EventSink): Promise<number> {
    let place = after
    for (;;) {
      const events = feed.keptAfter(place, portion) ?? []
      if (sink.signal.aborted || events.length < portion) return place
      for (const event of events) {
        place = event.number
        if (!passes(event.event, filter)) continue
        sink.event(event)
        if (session && isLast(event.event)) sink.end()
      }
      await sink.drained()
    }
  }

  function listen(after: number, { filter, session }: Following, sink: EventSink): boolean {
    const hear = (event: HeardEvent) => {
      sink.event(event)
      if (session && isLast(event.event)) sink.end()
    }
    const stop = feed.listen({ filter, after, hear })
    if (!stop) return false
    if (sink.signal.aborted) stop()
    else sink.signal.addEventListener('abort', stop, { once: true })
    return true
  }

  /** Throws until this replica has read anything. */
  function place(): number {
    const position = feed.position()
    if (position !== undefined) return position
    throw new GreenroomError('GRN_DATABASE_UNAVAILABLE', 'Events cannot be read yet.', {
      retryAfterMs: 1_000,
    })
  }

  return {
    /** Throws GRN_DATABASE_UNAVAILABLE while nothing can be followed here. */
    assertReady: (): void => void place(),

    /** Follows until the sink's signal fires; resolves when there is nothing left to read. */
    async follow(following: Following, sink: EventSink): Promise<void> {
      let after = await startOf(following, sink)
      // The last event of a session that is over may be the newest that the feed has read, or an old one.
      let mustRead = following.session?.isOver === true
      while (!sink.signal.aborted) {
        if (!mustRead) {
          after = await sendKept(after, following, sink)
          if (sink.signal.aborted || listen(after, following, sink)) return
        }
        mustRead = false
        const next = await sendPage(after, following, sink)
        if (next === undefined) return sink.end()
        after = next
      }
    },

    /** Whether a follower that has seen `after` has seen the last event of a session. */
    async hasSeenAll({ id, isOver }: FollowedSession, after: number | undefined): Promise<boolean> {
      if (!isOver || !after) return false
      for (let from = 0; ; ) {
        const { events, through, hasMore } = await takeTurn(() => log.read(from, { sessionId: id }))
        const newest = events.at(-1)
        if (!hasMore) return newest !== undefined && newest.number <= after && isLast(newest.event)
        from = through
      }
    },
  }
}

export type FollowEvents = ReturnType<typeof createFollowEvents>

/** Lets `most` calls run at once; the others wait in order. */
function createTurns(most: number) {
  const waiting: (() => void)[] = []
  let running = 0
  return async function takeTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}

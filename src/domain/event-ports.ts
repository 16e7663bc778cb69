import type { EventFilter, GreenroomEvent, PlatformEvent } from './event.ts'

/** A committed event with its number. Whoever has seen a number has seen, or will not see, all that are lower. */
export interface NumberedEvent {
  readonly number: number
  readonly event: GreenroomEvent
}

export interface EventPage {
  readonly events: readonly NumberedEvent[]
  /** Where to go on. */
  readonly through: number
  readonly hasMore: boolean
}

/** Numbers that the log knows of. */
export interface EventBounds {
  /** The highest that was given. */
  readonly last: number
  /** The highest of an event that was deleted because it was kept long enough. */
  readonly purged: number
}

export type Numbering = 'done' | 'more' | 'busy' | 'nothing'

/** PostgreSQL for those who follow events. */
export interface EventLog {
  /** Numbers committed events. `busy`: another process does so now. `more`: call again. */
  number(): Promise<Numbering>
  /** Events after a number, in order; those that do not pass the filter are left out of the page. */
  read(after: number, filter?: EventFilter): Promise<EventPage>
  bounds(): Promise<EventBounds>
  /** Writes an event of something else than a session. One with a mark that is there already is not written again. */
  note(event: PlatformEvent, mark?: string): Promise<void>
  /** Deletes events of other things than sessions; resolves with how many. */
  purge(options: { readonly afterMs: number; readonly limit: number }): Promise<number>
}

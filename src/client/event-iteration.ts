import type { Api } from './api-call.ts'
import type { GreenroomEvent } from './api-types.ts'
import { GreenroomApiError } from './client-error.ts'
import { delay, retryDelayMs } from './delay.ts'
import { createEventText, type EventBlock } from './event-text.ts'

export interface FollowOptions {
  /** The id of the last event that you have seen. Without it, what happens from now on; of a session, everything. */
  readonly after?: string | undefined
  /** Ends the iteration; it throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** The server could not go on where you were: read again what you keep of its sessions. */
export interface EventsReset {
  readonly type: 'reset'
  /** `future`: the server knows no such id, as after a restored backup. `purged`: events after it are deleted. */
  readonly reason: 'future' | 'purged'
  readonly after: string
}

export type FollowedEvent = GreenroomEvent | EventsReset

/** The server says something each 15 s at least. */
const silentMs = 45_000

/** Where an iteration is, over all its streams. */
interface Place {
  lastId: string | undefined
  /** When the server wants us back, ms. */
  retryMs: number | undefined
  /** Streams in a row that brought nothing. */
  failures: number
}

/**
 * The events of a stream, one after the other. When the connection breaks, or its replica goes away, the iteration goes on
 * with the next event; it throws only what coming back cannot mend, such as a revoked key.
 */
export async function* iterateEvents(
  api: Api,
  path: string,
  { after, signal = new AbortController().signal }: FollowOptions = {},
): AsyncGenerator<FollowedEvent, void, undefined> {
  const place: Place = { lastId: after, retryMs: undefined, failures: 0 }
  for (;;) {
    let isOver = false
    try {
      isOver = yield* oneStream(api, path, place, signal)
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (error instanceof GreenroomApiError) {
        if (!error.retryable) throw error
        place.retryMs = error.retryAfterMs
      }
    }
    if (isOver) return
    await delay(retryDelayMs(place.failures, place.retryMs), signal)
    place.failures += 1
  }
}

/** Until the stream ends; true if there is nothing more to come. */
async function* oneStream(
  api: Api,
  path: string,
  place: Place,
  signal: AbortSignal,
): AsyncGenerator<FollowedEvent, boolean, undefined> {
  const headers = place.lastId === undefined ? {} : { 'last-event-id': place.lastId }
  const body = await api.stream({ path, headers, signal })
  // Everything was seen.
  if (!body) return true
  let newest: string | undefined
  for await (const { id, event, data, retryMs } of blocksOf(body, signal)) {
    place.failures = 0
    place.retryMs = retryMs ?? place.retryMs
    place.lastId = id ?? place.lastId
    newest = event ?? newest
    if (data === undefined || event === undefined || event === 'closed') continue
    const value = JSON.parse(data) as FollowedEvent
    yield event === 'reset' ? ({ ...value, type: 'reset' } as EventsReset) : value
  }
  // The stream of a session ends by itself after its last event, and no other does.
  return newest === 'session.ended'
}

/** Ends with the stream; throws when the connection breaks or is silent. */
async function* blocksOf(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<EventBlock, void, undefined> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const take = createEventText()
  const give = () => void reader.cancel(signal.reason).catch(() => undefined)
  signal.addEventListener('abort', give)
  try {
    for (;;) {
      const { done, value } = await unlessSilent(reader)
      if (signal.aborted) throw signal.reason
      if (done) return
      yield* take(decoder.decode(value, { stream: true }))
    }
  } finally {
    signal.removeEventListener('abort', give)
    give()
  }
}

async function unlessSilent(reader: ReadableStreamDefaultReader<Uint8Array>) {
  let timer: ReturnType<typeof setTimeout> | undefined
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the stream is silent')), silentMs)
  })
  try {
    return await Promise.race([reader.read(), silence])
  } finally {
    clearTimeout(timer)
  }
}

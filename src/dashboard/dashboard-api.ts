import { createApi } from '../client/api-call.ts'
import { GreenroomApiError } from '../client/client-error.ts'
import { type FollowedEvent, iterateEvents } from '../client/event-iteration.ts'

export interface AskOptions {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly body?: unknown
  readonly signal?: AbortSignal | undefined
}

/** The session API with the credential of the person who signed in. */
export interface DashboardApi {
  /** One request, tried once: a panel asks again by itself, and a person decides whether to repeat an action. */
  ask<T>(path: string, options?: AskOptions): Promise<T>
  follow(signal: AbortSignal): AsyncIterable<FollowedEvent>
}

/** Long, because a slow network is no reason to say that nothing is known. */
const timeoutMs = 20_000

export function createDashboardApi({
  credential,
  onExpired,
  onStream,
}: {
  readonly credential: string
  /** The server does not take the credential, or not any more. */
  readonly onExpired: () => void
  /** Whether events are heard now. */
  readonly onStream: (isOpen: boolean) => void
}): DashboardApi {
  const stream = createApi({
    url: '',
    apiKey: credential,
    async fetch(address, init) {
      onStream(false)
      const response = await fetch(address, init)
      onStream(response.ok)
      return response
    },
  })
  const api = createApi({ url: '', apiKey: credential })
  const never = new AbortController().signal
  return {
    async ask(path, { method = 'GET', body, signal = never } = {}) {
      try {
        return await api.attempt({ method, path, signal, timeoutMs, ...(body !== undefined && { body }) })
      } catch (error) {
        if (isUnauthenticated(error)) onExpired()
        throw error
      }
    },
    async *follow(signal) {
      try {
        yield* iterateEvents(stream, '/v1/events', { signal })
      } catch (error) {
        if (isUnauthenticated(error)) onExpired()
        throw error
      }
    },
  }
}

export function isUnauthenticated(error: unknown): boolean {
  return error instanceof GreenroomApiError && error.status === 401
}

export function isForbidden(error: unknown): boolean {
  return error instanceof GreenroomApiError && error.status === 403
}

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** `?a=b`, without what is undefined or empty. */
export function queryOf(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).filter((pair): pair is [string, string] => Boolean(pair[1]))
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`
}

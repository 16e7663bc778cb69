import type { Session } from '../domain/session.ts'
import type { SessionQuery, SessionStore } from '../domain/session-ports.ts'
import type { SettleSessions } from './settle-sessions.ts'

interface ListSessionsDeps {
  readonly sessions: Pick<SessionStore, 'list' | 'metadataOf'>
  readonly settle: Pick<SettleSessions, 'settled' | 'settleFresh'>
}

export interface SessionPage {
  readonly sessions: readonly Session[]
  /** Whether there are sessions after the last one of this page. */
  readonly hasMore: boolean
}

/**
 * Metadata of one page, in bytes of JSON. One session may have 256 KiB, and 200 of them at six callers at once took
 * 720 MiB of memory. Ordinary metadata of a full page (5 KB each) fits.
 */
export const metadataBudgetBytes = 1024 * 1024

/** Sessions whose metadata is read first, and at once at most: 4 MiB. */
const firstRead = 4
const mostRead = 16

/** GET /v1/sessions: a page, newest first. Metadata is read only if it is asked for, and ends the page when it is large. */
export function createListSessions({ sessions, settle }: ListSessionsDeps) {
  return async function listSessions(query: SessionQuery, withMetadata: boolean): Promise<SessionPage> {
    if (query.status !== undefined) await settle.settleFresh()
    // One more than is shown tells whether there is another page.
    const found = await sessions.list({ ...query, limit: query.limit + 1 })
    const shown = await Promise.all(found.slice(0, query.limit).map(settle.settled))
    const page = withMetadata ? await addMetadata(shown) : shown
    return { sessions: page, hasMore: found.length > page.length }
  }

  async function addMetadata(shown: readonly Session[]): Promise<readonly Session[]> {
    const page: Session[] = []
    let bytes = 0
    for (let at = 0, count = firstRead; at < shown.length; at += count) {
      // As many as will fit, by the size of those before.
      if (at > 0)
        count = Math.min(mostRead, Math.ceil(((metadataBudgetBytes - bytes) / Math.max(1, bytes)) * at) || 1)
      const some = shown.slice(at, at + count)
      const texts = await sessions.metadataOf(some.map(({ id }) => id))
      for (const session of some) {
        const text = texts.get(session.id)
        bytes += text === undefined ? 0 : Buffer.byteLength(text)
        // One session always fits, so that every page leads on.
        if (bytes > metadataBudgetBytes && page.length > 0) return page
        page.push(
          text === undefined ? session : { ...session, metadata: JSON.parse(text) as Session['metadata'] },
        )
      }
    }
    return page
  }
}

export type ListSessions = ReturnType<typeof createListSessions>

import type { BrowserTokens } from '../sessions/browser-token.ts'
import type { OpenAnswer } from '../sessions/open-session.ts'
import type { SessionView } from './api-schemas.ts'
import { browserTokenView, sessionView } from './session-view.ts'

/** 202: it waits for its pod. 200: an earlier request of the key had opened it. */
export function openStatus({ session, replayed }: OpenAnswer): 200 | 201 | 202 {
  if (session.status === 'PENDING') return 202
  return replayed ? 200 : 201
}

/** A session as the answer to its open shows it; with `browserTokens`, one for the browser of its user. */
export function openedView(
  { session, livekit }: OpenAnswer,
  browserTokens: BrowserTokens | undefined,
): SessionView {
  const view = sessionView(session, livekit)
  return browserTokens ? { ...view, browserToken: browserTokenView(browserTokens.mint(session.id)) } : view
}

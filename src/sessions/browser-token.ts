import { createHmac, timingSafeEqual } from 'node:crypto'

/** Session ids hold no "_", so a token reads in one way. */
const tokenPattern = /^grb_([A-Za-z0-9-]{1,64})_([1-9][0-9]{0,11})_([A-Za-z0-9_-]{43})$/

/** A backend may ask for another one at any time; a browser that lost its backend should not keep a session for days. */
export const defaultTokenSeconds = 3_600
export const longestTokenSeconds = 86_400

export interface BrowserRight {
  readonly sessionId: string
}

export interface BrowserToken {
  readonly token: string
  /** Epoch ms. */
  readonly expiresAt: number
}

/**
 * What a backend hands to the browser of its user: good for one session, as its caller, until it expires. Stateless, like
 * an agent's token, and of no use once the session is over. It names no epoch, because a cold open has the next one with
 * each attempt and its browser is still the same.
 */
export interface BrowserTokens {
  mint(sessionId: string, seconds?: number): BrowserToken
  /** undefined for a token that this secret did not make, or that has expired. */
  verify(token: string): BrowserRight | undefined
}

/** The secret is that of the agents' tokens, which checks its length. */
export function createBrowserTokens(secret: string, clock: () => number): BrowserTokens {
  // The prefix keeps this use of the secret apart from all others.
  const codeOf = (sessionId: string, expiresAt: number): string =>
    createHmac('sha256', secret)
      .update(`greenroom browser token\n${sessionId}\n${expiresAt}`)
      .digest('base64url')

  return {
    mint(sessionId, seconds = defaultTokenSeconds) {
      const until = Math.floor(clock() / 1_000) + seconds
      return { token: `grb_${sessionId}_${until}_${codeOf(sessionId, until)}`, expiresAt: until * 1_000 }
    },
    verify(token) {
      const [, sessionId = '', digits = '', code = ''] = tokenPattern.exec(token) ?? []
      if (code === '') return undefined
      const until = Number(digits)
      // Compared as text: base64url spells the same bytes in several ways, and only one of them is ours.
      const genuine = timingSafeEqual(Buffer.from(code), Buffer.from(codeOf(sessionId, until)))
      return genuine && clock() < until * 1_000 ? { sessionId } : undefined
    },
  }
}

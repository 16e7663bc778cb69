import { createHmac, timingSafeEqual } from 'node:crypto'
import { GreenroomError } from '../errors.ts'

/** Half of SHA-256's output. A shorter secret would be easier to guess than the hash. */
const minSecretBytes = 16
/** Session ids hold no "_", epochs have at most nine digits and the code has 43 characters, so a token reads in one way. */
const tokenPattern = /^grs_([A-Za-z0-9-]{1,64})_([1-9][0-9]{0,8})_([A-Za-z0-9_-]{43})$/

export interface SessionRight {
  readonly sessionId: string
  readonly epoch: number
}

/** An agent's bearer token: it may renew and end its own session in its own epoch, nothing else. */
export interface SessionTokens {
  mint(sessionId: string, epoch: number): string
  /** undefined for a token that this secret did not make. */
  verify(token: string): SessionRight | undefined
}

/**
 * Stateless: every replica with the secret verifies every token, and a token dies with its epoch.
 *
 * @throws GreenroomError GRN_INVALID_CONFIG for a secret below 16 bytes.
 */
export function createSessionTokens(secret: string): SessionTokens {
  if (Buffer.byteLength(secret) < minSecretBytes) {
    throw new GreenroomError(
      'GRN_INVALID_CONFIG',
      `the session token secret is shorter than ${minSecretBytes} bytes`,
    )
  }
  // The prefix keeps this use of the secret apart from all others.
  const codeOf = (sessionId: string, epoch: number): string =>
    createHmac('sha256', secret).update(`greenroom session token\n${sessionId}\n${epoch}`).digest('base64url')

  return {
    mint: (sessionId, epoch) => `grs_${sessionId}_${epoch}_${codeOf(sessionId, epoch)}`,
    verify(token) {
      const [, sessionId = '', digits = '', code = ''] = tokenPattern.exec(token) ?? []
      if (code === '') return undefined
      const epoch = Number(digits)
      // Compared as text: base64url spells the same bytes in several ways, and only one of them is ours.
      const genuine = timingSafeEqual(Buffer.from(code), Buffer.from(codeOf(sessionId, epoch)))
      return genuine ? { sessionId, epoch } : undefined
    },
  }
}

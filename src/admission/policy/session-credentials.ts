/**
 * Names of variables that hold the credentials of one session, or the key that makes them. Greenroom hands credentials
 * over with the assignment, so a pod that waits for its session may have none of these.
 */
const names: ReadonlySet<string> = new Set([
  'LIVEKIT_API_KEY',
  'LIVEKIT_API_SECRET',
  'LIVEKIT_TOKEN',
  'ROOM_TOKEN',
  'SESSION_ID',
  'SESSION_TOKEN',
  'GREENROOM_SESSION_ID',
  'GREENROOM_SESSION_TOKEN',
])

/** In any case of letters: `livekit_token` is another variable, but as likely to hold the credential. */
export function isSessionCredential(name: string): boolean {
  return names.has(name.toUpperCase())
}

/**
 * Names under which one session's credentials, or the key that makes them, reach an agent that is made for it. Greenroom
 * hands them over with the assignment; none may stand in a pod that waits for its session.
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

/** Environment variables differ by case; whoever copies a credential into one does not always. */
export function isSessionCredential(name: string): boolean {
  return names.has(name.toUpperCase())
}

import { AccessToken, type AccessTokenOptions } from 'livekit-server-sdk'
import type { LiveKitAccess } from '../domain/assignment.ts'
import { agentIdentity } from '../domain/names.ts'
import type { RoomAccess } from '../domain/ports.ts'

/**
 * LiveKit checks a token only when somebody joins and refreshes connected clients itself, so the token may expire before
 * the session ends. Ten minutes are enough to join late and to rejoin after a network change. LiveKit's default is 6 h.
 */
const tokenTtlSeconds = 600

interface RoomAccessOptions {
  readonly url: string
  readonly apiKey: string
  readonly apiSecret: string
}

/** Mints LiveKit tokens here, without a LiveKit server. The API secret stays in this process: it can open any room. */
export function createRoomAccess({ url, apiKey, apiSecret }: RoomAccessOptions): RoomAccess {
  async function mint(room: string, holder: AccessTokenOptions, kind?: 'agent'): Promise<LiveKitAccess> {
    const accessToken = new AccessToken(apiKey, apiSecret, { ...holder, ttl: tokenTtlSeconds })
    // Each right is named, because LiveKit gives all of them when none is. The right `agent` is never given: it lets the
    // holder register as a worker. An agent in the room is marked by `kind`.
    accessToken.addGrant({
      roomJoin: true,
      room,
      canPublish: true,
      canSubscribe: true,
      canPublishData: true,
    })
    if (kind) accessToken.kind = kind
    // Computed here, in whole seconds like the token's own: reading it from the token took as long as making the token.
    const expiresAt = new Date((Math.floor(Date.now() / 1_000) + tokenTtlSeconds) * 1_000).toISOString()
    return { url, room, token: await accessToken.toJwt(), expiresAt }
  }

  return {
    forParticipant: (room, participant) => mint(room, participant),
    // LiveKit removes a participant whose identity joins again, so each attempt has an identity of its own.
    forAgent: (room, sessionId, epoch) => mint(room, { identity: agentIdentity(sessionId, epoch) }, 'agent'),
  }
}

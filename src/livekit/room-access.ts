import { AccessToken, type AccessTokenOptions } from 'livekit-server-sdk'
import type { LiveKitAccess } from '../domain/assignment.ts'
import { agentIdentity } from '../domain/names.ts'
import type { RoomAccess } from '../domain/ports.ts'

/**
 * Judged on joining only (the server refreshes connected clients itself), so it need not outlive the session; ten
 * minutes is enough to join late and rejoin after a network change. LiveKit's default is 6 h.
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
    // Each right is named, because LiveKit gives all of them when none is. Never `agent`: it lets the holder register
    // as a worker; being an agent in the room is `kind`.
    accessToken.addGrant({
      roomJoin: true,
      room,
      canPublish: true,
      canSubscribe: true,
      canPublishData: true,
    })
    if (kind) accessToken.kind = kind
    // Before it is minted, in whole seconds as tokens have them: decoding the token to read this took as long as making it.
    const expiresAt = new Date((Math.floor(Date.now() / 1_000) + tokenTtlSeconds) * 1_000).toISOString()
    return { url, room, token: await accessToken.toJwt(), expiresAt }
  }

  return {
    forParticipant: (room, participant) => mint(room, participant),
    // LiveKit throws out whoever has the same identity, so it is that of this very attempt.
    forAgent: (room, sessionId, epoch) => mint(room, { identity: agentIdentity(sessionId, epoch) }, 'agent'),
  }
}

import { AccessToken, type AccessTokenOptions, RoomConfiguration } from 'livekit-server-sdk'
import type { LiveKitAccess } from '../domain/assignment.ts'
import { agentIdentity } from '../domain/names.ts'
import type { RoomAccess, RoomSession } from '../domain/room-ports.ts'
import { roomMetadata } from './installation.ts'

/**
 * LiveKit checks a token only when somebody joins and refreshes connected clients itself, so the token may expire before
 * the session ends. Ten minutes are enough to join late and to rejoin after a network change. LiveKit's default is 6 h.
 */
const tokenTtlSeconds = 600

/** How long LiveKit keeps a room, seconds. The first join creates the room with what its token says. */
interface RoomLife {
  /** From the creation, while nobody but the agent has joined. */
  readonly emptySeconds: number
  /** From the time when the last participant but the agent has left. */
  readonly departureSeconds: number
}

interface RoomAccessOptions {
  /** What callers are told. */
  readonly publicUrl: string
  /** What agents are told. */
  readonly agentUrl: string
  readonly apiKey: string
  readonly apiSecret: string
  /** Marks the rooms of this installation. */
  readonly installation: string
  readonly roomLife: (agentType: string) => RoomLife
}

/** Mints LiveKit tokens here, without a LiveKit server. The API secret stays in this process: it can open any room. */
export function createRoomAccess(options: RoomAccessOptions): RoomAccess {
  const { publicUrl, agentUrl, apiKey, apiSecret, installation, roomLife } = options
  /** One for all tokens of an agent type, as long as its life is the same: to build one takes a quarter of a token's time. */
  const roomConfigs = new Map<string, RoomConfiguration>()

  function roomConfigOf(agentType: string): RoomConfiguration {
    const { emptySeconds, departureSeconds } = roomLife(agentType)
    const known = roomConfigs.get(agentType)
    if (known?.emptyTimeout === emptySeconds && known.departureTimeout === departureSeconds) return known
    const config = new RoomConfiguration({
      emptyTimeout: emptySeconds,
      departureTimeout: departureSeconds,
      metadata: roomMetadata(installation),
    })
    roomConfigs.set(agentType, config)
    return config
  }

  async function mint(
    { room, agentType }: RoomSession,
    { url, kind, ...holder }: AccessTokenOptions & { readonly url: string; readonly kind?: 'agent' },
  ): Promise<LiveKitAccess> {
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
    accessToken.roomConfig = roomConfigOf(agentType)
    // Computed here, in whole seconds like the token's own: reading it from the token took as long as making the token.
    const expiresAt = new Date((Math.floor(Date.now() / 1_000) + tokenTtlSeconds) * 1_000).toISOString()
    return { url, room, token: await accessToken.toJwt(), expiresAt }
  }

  return {
    forParticipant: (session, participant) => mint(session, { ...participant, url: publicUrl }),
    // LiveKit removes a participant whose identity joins again, so each attempt has an identity of its own.
    forAgent: (session) =>
      mint(session, { identity: agentIdentity(session.id, session.epoch), url: agentUrl, kind: 'agent' }),
  }
}

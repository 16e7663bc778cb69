import { RoomServiceClient, ServerError } from 'livekit-server-sdk'
import type { RoomService } from '../domain/ports.ts'

interface RoomServiceOptions {
  readonly url: string
  readonly apiKey: string
  readonly apiSecret: string
  /** Of one request. */
  readonly timeoutMs?: number
}

/** Whoever waits for LiveKit has nothing else to do; longer only keeps more requests open to a server that hangs. */
const defaultTimeoutMs = 3_000
/**
 * Tokens made before this are refused afterwards. In the future, for the clocks of replicas differ and the token was made
 * on another one; nobody else ever has the identity.
 */
const revokeAheadSeconds = 60

/** The LiveKit server's own API. Nothing that a claim waits for goes this way. */
export function createRoomService(options: RoomServiceOptions): RoomService {
  const { url, apiKey, apiSecret, timeoutMs = defaultTimeoutMs } = options
  const client = new RoomServiceClient(url, apiKey, apiSecret, { requestTimeout: timeoutMs / 1_000 })

  return {
    async removeParticipant(room, identity) {
      const revokeTokenTs = BigInt(Math.floor(Date.now() / 1_000) + revokeAheadSeconds)
      try {
        await client.removeParticipant(room, identity, { revokeTokenTs })
        return true
      } catch (error) {
        if (error instanceof ServerError && (error.code === 'not_found' || error.status === 404)) return false
        throw new Error(`LiveKit did not remove a participant: ${reasonOf(error)}`, { cause: error })
      }
    },
  }
}

/** The SDK's own message says `fetch failed` of whatever kept it from connecting. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}

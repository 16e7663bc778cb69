import type { Config } from '../config.ts'
import type { DocumentView } from '../domain/cluster-ports.ts'
import type { PoolSpec, PoolsDocument } from '../domain/pool.ts'
import { installationOf } from '../livekit/installation.ts'
import { createRoomAccess } from '../livekit/room-access.ts'
import { createRoomEvents } from '../livekit/room-events.ts'
import { createRoomService } from '../livekit/room-service.ts'

type LiveKitConfig = Pick<
  Config<'controller'>,
  | 'LIVEKIT_URL'
  | 'LIVEKIT_API_KEY'
  | 'LIVEKIT_API_SECRET'
  | 'GREENROOM_LIVEKIT_PUBLIC_URL'
  | 'GREENROOM_HMAC_SECRET'
>

/** A week, the longest session. For types that have just been removed. */
const longestSeconds = 604_800
/**
 * LiveKit closes a room this much later than Greenroom ends its session, so that the session's end tells the real reason.
 * It matters only while Greenroom is away.
 */
const departureMarginSeconds = 30

/** Everything of LiveKit that a role may need; undefined where none is configured. */
export function liveKitOf(config: LiveKitConfig, pools: Pick<DocumentView<PoolsDocument>, 'current'>) {
  const { LIVEKIT_URL: url, LIVEKIT_API_KEY: apiKey, LIVEKIT_API_SECRET: apiSecret } = config
  if (!url || !apiKey || !apiSecret) return undefined
  const installation = installationOf(config.GREENROOM_HMAC_SECRET)
  return {
    access: createRoomAccess({
      agentUrl: url,
      publicUrl: config.GREENROOM_LIVEKIT_PUBLIC_URL ?? url,
      apiKey,
      apiSecret,
      installation,
      roomLife(agentType) {
        const spec = poolOf(pools, agentType)
        return {
          // An agent alone does not keep a room open, and a session may last as long before anybody joins.
          emptySeconds: spec?.maxSessionSeconds ?? longestSeconds,
          departureSeconds: (spec?.room.leftSeconds ?? 0) + departureMarginSeconds,
        }
      },
    }),
    service: createRoomService({ url, apiKey, apiSecret, installation }),
    events: createRoomEvents({ apiKey, apiSecret }),
  }
}

/** undefined for a type that has no pool. */
export function poolOf(
  pools: Pick<DocumentView<PoolsDocument>, 'current'>,
  agentType: string,
): PoolSpec | undefined {
  const all = pools.current()?.pools ?? {}
  // A name like "constructor" must not find what every object inherits.
  return Object.hasOwn(all, agentType) ? all[agentType] : undefined
}

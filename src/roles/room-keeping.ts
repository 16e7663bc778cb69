import type { Config } from '../config.ts'
import { announceEndings } from '../controllers/controller.ts'
import { createRoomKeeper, type RoomKeeper } from '../controllers/room-keeper.ts'
import type { RoomRule } from '../controllers/room-looks.ts'
import type { AgentDelivery, DocumentView, PodView } from '../domain/cluster-ports.ts'
import type { WakeBus } from '../domain/index-ports.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import type { RoomLedger } from '../domain/room-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { createDeliverSession } from '../sessions/deliver-session.ts'
import { createSessionTokens } from '../sessions/session-token.ts'
import { type liveKitOf, poolOf } from './live-kit.ts'

interface RoomKeepingDeps {
  readonly liveKit: NonNullable<ReturnType<typeof liveKitOf>>
  readonly pools: DocumentView<PoolsDocument>
  readonly pods: PodView
  readonly roomLedger: RoomLedger
  readonly wakes: WakeBus
  readonly delivery: AgentDelivery
  readonly metrics: Metrics
  readonly logger: Logger
  readonly monotonicMs: () => number
}

/** For a pod to take a fresh token; it took its session in less (DESIGN §3). */
const assignAgainMs = 1_500

/** Sessions of a type that has no pool any more go on as the defaults of agent-pools say, but none ends for its agent. */
const withoutPool: RoomRule = { joinMs: 10_000, onNotJoined: 'ignore', leftMs: 20_000 }

/** The keeper of LiveKit's rooms, for the elected controller. */
export function createRoomKeeping(config: Config<'controller'>, deps: RoomKeepingDeps): RoomKeeper {
  const { liveKit, pools, pods, delivery, wakes, roomLedger } = deps
  const sessionTokens = createSessionTokens(config.GREENROOM_HMAC_SECRET)
  const { deliver } = createDeliverSession({
    delivery,
    pods,
    sessionToken: (sessionId, epoch) => sessionTokens.mint(sessionId, epoch),
    apiUrl: config.GREENROOM_API_URL,
  })
  return createRoomKeeper({
    ...deps,
    rooms: liveKit.service,
    ledger: roomLedger,
    onEnding: announceEndings(wakes),
    roomRule(agentType) {
      const room = poolOf(pools, agentType)?.room
      if (!room) return withoutPool
      const { joinSeconds, leftSeconds, onNotJoined } = room
      return { joinMs: joinSeconds * 1_000, leftMs: leftSeconds * 1_000, onNotJoined }
    },
    // Without secrets and metadata, which the agent has: of a repeated assignment it takes the room access only.
    assignAgain: async (session) =>
      deliver(session, { livekit: await liveKit.access.forAgent(session) }, assignAgainMs),
  })
}

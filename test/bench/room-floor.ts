import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AccessToken } from 'livekit-server-sdk'
import { setPace } from '../../bed/processes/process-pace.ts'
import { visitRoom } from '../../bed/replicas/room-visitor.ts'
import type { LiveKitServer } from '../../bed/servers/livekit-server.ts'
import { type BenchProcess, startBenchProcess } from './bench-process.ts'

/** Call it through a {@link BenchProcess}; times are milliseconds since the epoch. */
export type RoomFloorCalls = {
  warm(_: undefined): Promise<void>
  /** Resolves with the time when it was in the room. */
  connect(access: { readonly url: string; readonly token: string }): Promise<number>
  leave(_: undefined): Promise<void>
}

export interface RoomTimes {
  readonly joinedMs: number
  readonly echoMs: number
}

interface FloorOptions {
  readonly livekit: LiveKitServer
  readonly folder: string
  /** As the agents that it is compared with. */
  readonly warm: boolean
}

/**
 * The floor: a process that has only to connect. Like an agent it is started and warmed while nobody waits, at the priority of a
 * starting pod, connects at that of a serving one, and connects once in its life.
 */
export function createRoomFloor(options: FloorOptions) {
  let next = prepare(options)
  return {
    /** One turn: the floor process joins a room and a caller beside it, and the caller's first words come back. */
    async turn(): Promise<RoomTimes> {
      const process = await next
      try {
        return await measure(options.livekit, process)
      } finally {
        await process.stop()
        next = prepare(options)
      }
    },
    async stop(): Promise<void> {
      await (await next).stop()
    },
  }
}

async function prepare({ folder, warm }: FloorOptions): Promise<BenchProcess<RoomFloorCalls>> {
  const program = fileURLToPath(new URL('./room-floor-program.ts', import.meta.url))
  const process = startBenchProcess<RoomFloorCalls>({ program, logPath: join(folder, 'room-floor.log') })
  setPace(process.pid, 'starting')
  if (warm) await process.call('warm', undefined)
  setPace(process.pid, 'serving')
  return process
}

async function measure(livekit: LiveKitServer, process: BenchProcess<RoomFloorCalls>): Promise<RoomTimes> {
  const room = `floor-${randomUUID()}`
  const [agent, caller] = await Promise.all([
    tokenFor(livekit, room, 'agent'),
    tokenFor(livekit, room, 'caller'),
  ])
  const began = performance.now()
  const beganAtMs = performance.timeOrigin + began
  const joining = process.call('connect', { url: livekit.url, token: agent })
  const visitor = await visitRoom({ url: livekit.url, token: caller })
  try {
    const joinedAtMs = await joining
    await visitor.sees('agent')
    await visitor.exchange(room, 'agent')
    return { joinedMs: joinedAtMs - beganAtMs, echoMs: performance.now() - began }
  } finally {
    await visitor.leave()
    await process.call('leave', undefined)
  }
}

async function tokenFor(
  { apiKey, apiSecret }: LiveKitServer,
  room: string,
  identity: string,
): Promise<string> {
  const token = new AccessToken(apiKey, apiSecret, { identity })
  token.addGrant({ roomJoin: true, room, canPublish: true, canSubscribe: true, canPublishData: true })
  return token.toJwt()
}

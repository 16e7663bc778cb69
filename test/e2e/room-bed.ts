import { readFile } from 'node:fs/promises'
import { type DisconnectReason, dispose, Room, RoomEvent } from '@livekit/rtc-node'
import { RoomServiceClient } from 'livekit-server-sdk'
import type { Test } from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import type { AnswerBody } from '../../bed/replicas/bed-client.ts'
import { createSessionCaller } from './session-caller.ts'

/** Sessions with real rooms: the agents are processes, LiveKit is real, and a person is an rtc-node client. */

export const min = 4
/** Enough for a machine with two busy cores. */
export const patienceMs = 30_000

export const roomOf = ({ livekit: access }: AnswerBody) => access?.room ?? ''
export const agentOf = ({ id, epoch }: AnswerBody) => `agent-${id}-${epoch}`

export async function startRooms(t: Test) {
  const bed = await startBed({
    livekit: true,
    logLevel: 'debug',
    pools: poolsDocument({
      min,
      max: 20,
      // Longer than LiveKit on a busy machine takes to close a room that somebody deletes.
      more: 'room: { joinSeconds: 4, onNotJoined: end, leftSeconds: 5 }\nmaxSessionSeconds: 3600',
    }),
  })
  const { livekit } = bed
  if (!livekit) throw new Error('the bed has a LiveKit')
  const caller = createSessionCaller(bed)
  const { client } = caller
  t.teardown(async () => {
    client.close()
    await dispose()
    await bed.stop()
  })
  await caller.untilIdle(min)
  const rooms = new RoomServiceClient(livekit.url.replace('ws', 'http'), livekit.apiKey, livekit.apiSecret)

  return {
    ...caller,
    bed,
    livekit,
    rooms,
    identitiesIn: async (room: string) =>
      (await rooms.listParticipants(room).catch(() => [])).map(({ identity }) => identity),
    isThere: async (room: string) => (await rooms.listRooms([room])).length > 0,
    freshToken: async ({ id }: AnswerBody): Promise<AnswerBody> =>
      (await client.call({ method: 'POST', path: `/v1/sessions/${id}/token` })).body,
    log: async (role: string): Promise<string> => readFile(bed.roles.get(role)?.logPath ?? '', 'utf8'),
    untilJoined: (session: AnswerBody): Promise<AnswerBody> =>
      until(
        'the agent in its room',
        async () => {
          const { body } = await client.read(session.id)
          return body.agentJoinedAt !== undefined && body
        },
        patienceMs,
      ),
  }
}

/** Somebody in the room, with the token of the answer. */
export async function visit(session: AnswerBody) {
  const room = new Room()
  const left = Promise.withResolvers<DisconnectReason>()
  const heard = new Set<string>()
  room.on(RoomEvent.Disconnected, (reason) => left.resolve(reason))
  room.on(RoomEvent.DataReceived, (payload, sender) => {
    heard.add(`${sender?.identity} ${Buffer.from(payload).toString()}`)
  })
  await room.connect(session.livekit?.url ?? '', session.livekit?.token ?? '', {
    autoSubscribe: false,
    dynacast: false,
  })
  return {
    left: left.promise,
    leave: () => room.disconnect(),
    /** Sends words; resolves when the agent has sent them back. */
    async exchange(words: string): Promise<void> {
      const isBack = () => heard.has(`${agentOf(session)} ${words}`)
      // LiveKit drops what comes before it has connected the agent, and tells of the agent a moment later.
      for (let tries = 0; tries * 1_000 < patienceMs && !isBack(); tries += 1) {
        await room.localParticipant?.publishData(Buffer.from(words), { reliable: true, topic: 'words' })
        await until(words, isBack, 1_000).catch(() => undefined)
      }
      if (!isBack()) throw new Error(`"${words}" did not come back from the agent`)
    },
  }
}

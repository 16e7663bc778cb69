import { createRoomLooks, type RoomRule } from '../../src/controllers/room-looks.ts'
import type { DeliveryOutcome } from '../../src/domain/cluster-ports.ts'
import { agentIdentity } from '../../src/domain/names.ts'
import { roomName } from '../../src/domain/room-name.ts'
import {
  type KeptSession,
  LiveKitError,
  type RoomLedger,
  type RoomService,
  type SeenRoom,
} from '../../src/domain/room-ports.ts'
import type { EndReason } from '../../src/domain/session.ts'
import { createMetrics } from '../../src/metrics.ts'
import { keptLog } from '../support/kept-log.ts'

/** A LiveKit and a ledger in memory, for faults and times that the real ones do not give on demand. */

let serial = 0

interface Row extends KeptSession {
  readonly endReason?: EndReason
  readonly overdue?: boolean
}

interface Inside {
  readonly people: string[]
  readonly agents: string[]
  readonly isOurs: boolean
}

export function roomBed(rule: Partial<RoomRule> = {}) {
  const rows = new Map<string, Row>()
  const rooms = new Map<string, Inside>()
  const liveKit = { memory: 'RM_1', isAway: false, looks: 0 }
  const retried: string[] = []
  const ended: string[] = []
  const metrics = createMetrics()
  const log = keptLog()
  let nowMs = 1_000_000

  const put = (id: string, change: Partial<Row>) => {
    const row = rows.get(id)
    if (row) rows.set(id, { ...row, ...change })
  }
  const reached = () => {
    if (liveKit.isAway) throw new LiveKitError('LiveKit did not answer')
  }
  const service: RoomService = {
    async look(names) {
      liveKit.looks += 1
      reached()
      const seen = [...rooms].filter(([name]) => names === undefined || names.includes(name))
      return {
        memory: liveKit.memory,
        rooms: new Map(
          seen.map(([name, { people, isOurs }]): [string, SeenRoom] => [
            name,
            { name, people: people.length, isOurs },
          ]),
        ),
      }
    },
    async identitiesIn(room) {
      reached()
      const inside = rooms.get(room)
      return inside ? [...inside.people, ...inside.agents] : []
    },
    async remove(room) {
      reached()
      return rooms.delete(room)
    },
    removeParticipant: async () => false,
  }
  const isLive = ({ status }: KeptSession) => status === 'ACTIVE' || status === 'PENDING'
  const ledger: RoomLedger = {
    live: async () => [...rows.values()].filter(isLive),
    byIds: async (ids) => ids.flatMap((id) => rows.get(id) ?? []),
    async noteAgents(sessions) {
      const fresh = sessions.filter(({ id }) => rows.get(id)?.awaitsAgent)
      for (const { id } of fresh) put(id, { awaitsAgent: false })
      return fresh.map(({ id }) => id)
    },
    async notePeople(ids, memory) {
      for (const id of ids) put(id, { roomMemory: memory })
    },
    async markOverdue({ id }) {
      put(id, { awaitsAgent: false, overdue: true })
      return true
    },
    async end(sessions, endReason) {
      for (const { id } of sessions) put(id, { status: 'ENDING', endReason })
      return sessions.map(({ id }) => id)
    },
  }
  const looks = createRoomLooks({
    rooms: service,
    ledger,
    roomRule: () => ({ joinMs: 10_000, onNotJoined: 'end', leftMs: 20_000, ...rule }),
    async assignAgain({ id, epoch, pod }): Promise<DeliveryOutcome> {
      retried.push(id)
      return { kind: 'accepted', echo: { podUid: pod?.uid ?? '', sessionId: id, epoch } }
    },
    onEnding: (ids) => ended.push(...ids),
    metrics,
    logger: log.logger,
    monotonicMs: () => nowMs,
  })

  return {
    rows,
    rooms,
    liveKit,
    retried,
    ended,
    metrics,
    log,
    looks,
    put,
    /** An ACTIVE session whose agent is in the room and whose caller is, too, unless told otherwise. */
    session({ agent = true, people = ['ann'] }: { agent?: boolean; people?: string[] } = {}): string {
      serial += 1
      const id = `0198c0de-0000-7000-8000-${serial.toString(16).padStart(12, '0')}`
      const room = roomName('echo-agent', id)
      rows.set(id, {
        id,
        epoch: 1,
        status: 'ACTIVE',
        agentType: 'echo-agent',
        room,
        pod: { uid: `pod-${id}`, name: `pod-${id}`, ip: '127.0.0.9' },
        leaseMs: 60_000,
        roomMemory: undefined,
        awaitsAgent: !agent,
        activeForMs: 0,
      })
      if (agent || people.length > 0)
        rooms.set(room, { people: [...people], agents: agent ? [agentIdentity(id, 1)] : [], isOurs: true })
      return id
    },
    roomOf: (id: string) => rooms.get(roomName('echo-agent', id)),
    /** Everybody but the agent leaves. */
    leave(id: string): void {
      rooms.get(roomName('echo-agent', id))?.people.splice(0)
    },
    closeRoom: (id: string) => rooms.delete(roomName('echo-agent', id)),
    /** Time passes for everybody. */
    advance(ms: number): void {
      nowMs += ms
      for (const [id, row] of rows)
        if (row.status === 'ACTIVE') rows.set(id, { ...row, activeForMs: row.activeForMs + ms })
    },
    reason: (id: string) => rows.get(id)?.endReason,
  }
}

import { randomUUID } from 'node:crypto'
import type { OpenRecord } from '../../src/domain/session-ports.ts'
import { agentType } from './bench-bed.ts'

export function newSessionId(): string {
  return randomUUID()
}

/** What an open writes, for stores that are measured without the rest. */
export function newOpenRecord(podUid: string, type: string = agentType): OpenRecord {
  const id = newSessionId()
  return {
    id,
    agentType: type,
    projectId: 'bench',
    roomName: 'lobby',
    room: `${type}-${id}`,
    participant: { identity: 'caller' },
    metadata: { topic: 'bench' },
    fingerprint: undefined,
    leaseMs: 60_000,
    leaseHeldBy: 'both',
    maxSessionMs: 3_600_000,
    warm: true,
    epoch: 1,
    pod: { uid: podUid, name: `${type}-${podUid.slice(0, 8)}`, ip: '127.1.2.3' },
  }
}

import type { OpenRecord } from '../../src/domain/session-ports.ts'

/** Rows of sessions that are opened, as samples. */

let serial = 0

export function newId(): string {
  serial += 1
  return `0198c0de-0000-7000-8000-${serial.toString(16).padStart(12, '0')}`
}

export function newRecord(overrides: Partial<OpenRecord> = {}): OpenRecord {
  const id = overrides.id ?? newId()
  const uid = `pod-of-${id}`
  return {
    id,
    agentType: 'echo-agent',
    projectId: 'project-1',
    roomName: 'lobby',
    room: `echo-agent-${id}`,
    participant: { identity: 'ann' },
    metadata: { topic: 'tea' },
    fingerprint: undefined,
    leaseMs: 60_000,
    leaseHeldBy: 'both',
    maxSessionMs: 3_600_000,
    warm: true,
    epoch: 1,
    pod: { uid, name: `name-${uid}`, ip: '127.1.2.3' },
    ...overrides,
  }
}

export function podNamed(uid: string) {
  return { uid, name: `name-${uid}`, ip: '127.1.2.3' }
}

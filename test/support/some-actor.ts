import type { AuditActor } from '../../src/domain/audit.ts'

/** Whoever gives an order in a test that is not about who gives it. */
export const someActor: AuditActor = { kind: 'api-key', id: 'some-actor' }

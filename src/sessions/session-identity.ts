import { createHmac, randomUUIDv7 } from 'node:crypto'
import { canonicalJson } from '../domain/canonical-json.ts'

/** What names a session (DESIGN §3, Identity). */
export interface SessionIdentity {
  readonly id: string
  /** Keyed hash of the request; undefined without an Idempotency-Key. */
  readonly fingerprint: string | undefined
}

/** One of the sessions of a batch, which has one Idempotency-Key. */
export interface BatchPlace {
  /** From 0. */
  readonly nth: number
  readonly count: number
  readonly atomic: boolean
}

/**
 * With a key the id is a UUID (version 8: custom) derived from project and key, so that every replica that sees the
 * retry means the same session. The fingerprint is keyed as well: the body may hold secrets, and a short secret can be
 * guessed from its plain hash.
 */
export function createSessionIdentity(hmacSecret: string) {
  const hmac = (purpose: string, text: string) =>
    createHmac('sha256', hmacSecret).update(`${purpose}\0${text}`).digest()

  return (
    request: { projectId?: string },
    idempotencyKey: string | undefined,
    place?: BatchPlace,
  ): SessionIdentity => {
    // Version 7 begins with the time: new rows land side by side in the primary key's index.
    if (idempotencyKey === undefined) return { id: randomUUIDv7(), fingerprint: undefined }
    // No key of a caller has a space in it, so no session of a batch is one of a single open.
    const key = place ? `${idempotencyKey} ${place.nth}` : idempotencyKey
    const asked = place ? { request, atomic: place.atomic, of: place.count } : request
    return {
      id: uuidFrom(hmac('session-id', `${request.projectId ?? ''}\0${key}`)),
      fingerprint: hmac('fingerprint', canonicalJson(asked)).toString('base64url'),
    }
  }
}

export type IdentifySession = ReturnType<typeof createSessionIdentity>

function uuidFrom(bytes: Buffer): string {
  const uuid = Buffer.from(bytes.subarray(0, 16))
  uuid.writeUInt8(((uuid[6] ?? 0) & 0x0f) | 0x80, 6)
  uuid.writeUInt8(((uuid[8] ?? 0) & 0x3f) | 0x80, 8)
  return uuid.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

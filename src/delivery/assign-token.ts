import { hash } from 'node:crypto'
import { SignJWT } from 'jose/jwt/sign'
import { assignAlgorithm, assignTokenTtlSeconds } from '../domain/assign-contract.ts'
import type { AssignKey } from './assign-keys.ts'

interface SignedDelivery {
  readonly podUid: string
  readonly sessionId: string
  readonly epoch: number
  /** The request body, byte for byte as it will be sent. */
  readonly body: string
  /** Epoch ms. */
  readonly now: number
}

/** The bearer token of one delivery: it lets this session, in this epoch, with this body, onto this pod only. */
export function signDelivery({ kid, key }: AssignKey, delivery: SignedDelivery): Promise<string> {
  return new SignJWT({ epoch: delivery.epoch, bodyHash: hash('sha256', delivery.body, 'base64url') })
    .setProtectedHeader({ alg: assignAlgorithm, kid, typ: 'JWT' })
    .setAudience(delivery.podUid)
    .setSubject(delivery.sessionId)
    .setExpirationTime(Math.floor(delivery.now / 1000) + assignTokenTtlSeconds)
    .sign(key)
}
